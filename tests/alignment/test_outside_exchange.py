"""A round's answers out and scores of them in, by the commands, and what the page makes of them."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts.models import AuditEntry, Role
from accounts.services import user_create
from alignment.models import Round, Stage
from alignment.records import Candidate, CandidateSet, SampledAnswer
from tests.alignment.evaluated import write_evaluation
from tests.alignment.factories import make_round
from tests.alignment.sampling.factories import make_prompts

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def evaluate(round_: Round, *, num_prompts: int = 8) -> Round:
    """Let the round have sampled candidates and evaluated its policy: longer answers have higher rewards."""
    prompts = make_prompts(num_prompts)
    sets = [
        CandidateSet(
            prompt=prompt,
            candidates=tuple(
                Candidate(content="x" * place, num_tokens=9, finish="stop", reward=place)
                for place in range(4)
            ),
            best=3,
        )
        for prompt in prompts
    ]
    answers = [
        SampledAnswer(
            prompt_id=prompt.id,
            domain="sums",
            policy=policy,
            sample=0,
            content=f"{policy} on {prompt.id}",
            reward=1.0,
        )
        for policy in ("candidate", "base")
        for prompt in prompts
    ]
    return write_evaluation(round_, prompts, answers, sets)


@pytest.fixture
def round_(settings: Settings, tmp_path: Path) -> Round:
    """An evaluated round."""
    settings.ACCORD_RUNS = tmp_path / "runs"
    return evaluate(make_round())


def named(round_: Round) -> list[str]:
    """The options that name the round."""
    return ["--project", round_.project.slug, "--round", str(round_.number)]


def exported(round_: Round, out: Path) -> list[dict[str, object]]:
    """What `export_answers` writes."""
    call_command("export_answers", *named(round_), "--out", str(out), stdout=StringIO())
    return [json.loads(line) for line in out.read_text().splitlines()]


def write_scores(path: Path, rows: list[dict[str, object]]) -> Path:
    """Gold: the candidate beats the base; of the sampled answers two characters are best, more are worse."""
    gold = {"candidate": 1.0, "base": 0.0}
    with path.open("w") as out:
        for row in rows:
            score = gold.get(str(row["policy"]), -abs(len(str(row["content"])) - 2.0))
            out.write(
                json.dumps({name: row[name] for name in ("prompt_id", "policy", "sample")} | {"score": score})
            )
            out.write("\n")
    return path


def test_every_answer_goes_out_with_its_context(round_: Round, tmp_path: Path) -> None:
    rows = exported(round_, tmp_path / "answers.jsonl")
    assert len(rows) == 8 * 2 + 8 * 4
    assert rows[0] == {
        "prompt_id": "prompt-0",
        "policy": "candidate",
        "sample": 0,
        "context": [{"role": "user", "content": "What is 0 + 2?"}],
        "content": "candidate on prompt-0",
    }
    assert {row["policy"] for row in rows} == {"candidate", "base", "rejection_sampling"}


def test_scores_become_win_rates_and_a_curve_that_bends_down(round_: Round, tmp_path: Path) -> None:
    path = write_scores(tmp_path / "scores.jsonl", exported(round_, tmp_path / "answers.jsonl"))
    told = StringIO()
    for _ in range(2):  # saying it again replaces it
        call_command("import_outside_scores", str(path), *named(round_), "--by", "gold", stdout=told)
    assert "Win rate over the base by gold: 1.000 [0.676, 1.000], 8 comparisons." in told.getvalue()
    (report,) = round_.stages.get(name=Stage.Name.EVALUATION).result["outside"]
    golds = [point["gold"]["value"] for point in report["best_of_k"]["points"]]
    assert [point["k"] for point in report["best_of_k"]["points"]] == [1, 2, 4]
    assert golds[1] > golds[0]
    assert golds[2] < golds[1]
    assert AuditEntry.objects.filter(action="evaluation.score").count() == 2


def test_the_page_draws_the_reward_models_opinion_beside_others(
    round_: Round, tmp_path: Path, client: Client
) -> None:
    client.force_login(user_create(username="lead", role=Role.ADMIN))
    url = reverse("round", kwargs={"pk": round_.pk})
    assert "Nobody outside has judged" in client.get(url).content.decode()
    path = write_scores(tmp_path / "scores.jsonl", exported(round_, tmp_path / "answers.jsonl"))
    call_command("import_outside_scores", str(path), *named(round_), "--by", "gold", stdout=StringIO())
    text = client.get(url).content.decode()
    assert "Nobody outside has judged" not in text
    for shown in ("Over the base, by gold", "By K", "as the reward model and as gold see it"):
        assert shown in text, shown
    assert "By round" not in text
    Round.objects.filter(pk=round_.pk).update(state=Round.State.FINISHED)
    later = evaluate(make_round(project=round_.project, base=round_.base, number=2))
    text = client.get(reverse("round", kwargs={"pk": later.pk})).content.decode()
    assert "By round" in text
    assert 'aria-label="Win rate over the base, round by round"' in text


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (['{"prompt_id": "prompt-0", "policy": "base", "sample": 0}'], "score: Field required"),
        (['{"prompt_id": "elsewhere", "policy": "base", "sample": 0, "score": 1}'], "export_answers"),
        (['{"prompt_id": "prompt-0", "policy": "base", "sample": 0, "score": 1}'] * 2, "twice"),
        (["no JSON"], "Invalid JSON"),
    ],
)
def test_scores_that_cannot_be_used_are_refused_and_change_nothing(
    round_: Round, tmp_path: Path, lines: list[str], sentence: str
) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(CommandError, match=sentence):
        call_command("import_outside_scores", str(path), *named(round_), "--by", "gold", stdout=StringIO())
    assert round_.stages.get(name=Stage.Name.EVALUATION).result["outside"] == []


def test_a_round_that_is_not_there_or_not_evaluated_is_refused(round_: Round, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "answers.jsonl")]
    with pytest.raises(CommandError, match=r"There is no round 7 .* There are: round 1"):
        call_command("export_answers", "--project", round_.project.slug, "--round", "7", *out)
    with pytest.raises(CommandError, match="has not been evaluated yet"):
        call_command("export_answers", *named(make_round()), *out)
