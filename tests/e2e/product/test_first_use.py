"""What a newcomer does: every command of the README, run for real; then chaos; then a round from the browser.

All on one running stack, in order, with small files and recipes; only recipes are exchanged for small ones.
`make demo` runs in its `--quick` size, in test_demo.py; `make test` is what runs this.
"""

import json
import os
import re
import shlex
import signal
import time
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from accord.env import REPOSITORY
from alignment.recipe import RoundRecipe
from deploy.local.state import state_read
from tests.benchmarks.chaos import (
    JUDGING,
    SIZES,
    Attack,
    Findings,
    as_report,
    is_well,
    parse_arguments,
    people_wanted,
    strike,
)
from tests.benchmarks.chaos_kills import WEIGHTS
from tests.benchmarks.chaos_site import ChaosSite, chaos_recipe
from tests.e2e.browser import Window, window
from tests.e2e.product.recipes import toy_pretraining, toy_recipe, write_recipe
from tests.e2e.product.stack import RunningStack

pytestmark = [pytest.mark.vllm, pytest.mark.browser, pytest.mark.slow]

MANAGE = ".venv/bin/python manage.py "
PROJECT = "helpful"
NUM_COMPARISONS = 6
REWARD_EPOCHS = 30
"""Enough for a training to be seen, and its worker killed, while it goes on."""
NUM_KILLS = 10
CHAOS_MINUTES = 15
ROUND_SECONDS = 600
NEW_POLICY, OLD_POLICY = "helpful-r2-averaging-average", "helpful-r1-averaging-average"


def commands() -> list[str]:
    """The lines of all shell blocks of the README."""
    text = (REPOSITORY / "README.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_every_make_target_of_the_readme_is_there() -> None:
    named = {line.split()[1] for line in commands() if line.startswith("make ")}
    makefile = (REPOSITORY / "Makefile").read_text()
    assert named == {"demo", "test", "serve"}
    for target in named:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_every_other_command_of_the_readme_works(running_stack: RunningStack) -> None:
    folder = running_stack.inputs
    (folder / "pretraining.json").write_text(toy_pretraining().model_dump_json())
    write_recipe(folder / "round.json", chaos_recipe(SIZES["short"]))
    ran = []
    for line in commands():
        if line.startswith("make "):
            continue
        assert line.startswith(MANAGE), line
        name, *arguments = shlex.split(line.removeprefix(MANAGE))
        here = _in_this_test(name, arguments, folder, running_stack)
        done = running_stack.manage(name, *here)
        ran.append((name, done.stdout))
    assert [name for name, _ in ran] == [
        "pretrain",
        "import_model",
        "create_project",
        "import_prompts",
        "deploy_models",
        "create_annotators",
        "import_preferences",
        "export_preferences",
        "launch_round",
    ]
    said = dict(ran)
    assert "kept 120" in said["import_preferences"]
    assert '"win_rate"' in said["launch_round"]
    assert (folder / "preferences.parquet").stat().st_size > 0


def test_a_round_whose_parts_are_killed_ends_with_the_same_weights_and_loses_nothing(
    running_stack: RunningStack, tmp_path: Path
) -> None:
    """The short form of `tests.benchmarks.chaos`: ten kills with -9, every kind of victim among them. The
    README's round, on the same data and with the same recipe, is the undisturbed one.
    """
    until = time.monotonic() + 60 * CHAOS_MINUTES
    options = ["--size", "short", "--kills", str(NUM_KILLS), "--json", str(tmp_path / "chaos.json")]
    arguments = parse_arguments(options)
    site = ChaosSite(
        running_stack.state,
        running_stack.var,
        running_stack.inputs,
        environment=running_stack.environment,
        base="my-base",
    )
    tokens = site.inside("fill", "--project", JUDGING, *people_wanted())
    site.inside("listen", "--url", running_stack.hook.url)
    attack = Attack(
        site=site,
        hook=running_stack.hook,
        tokens=tokens,
        folder=tmp_path,
        until=until,
    )
    findings = Findings()
    strike(attack, arguments, chaos_recipe(SIZES["short"]), site.checkpoints(PROJECT), findings)
    site.close()
    report = as_report(findings)
    assert is_well(report), json.dumps(report, indent=2)
    assert report["kills"] >= NUM_KILLS
    assert set(report["by_victim"]) == set(WEIGHTS)
    assert report["checkpoints"] > 0
    assert report["judgements"] > 0


def test_an_admin_launches_a_round_sees_a_worker_die_goes_on_compares_and_rolls_back(
    running_stack: RunningStack, own_browser: Browser, tmp_path: Path
) -> None:
    """Goes on from where the README's commands leave the stack: a base, a project with imported judgements,
    and two models of a first round that are live.
    """
    manage = running_stack.manage
    manage("create_annotators", "--project", PROJECT, "--count", "1", "--tokens", tmp_path / "tokens.json")
    token = json.loads((tmp_path / "tokens.json").read_text())[0]["token"]
    with window(own_browser, running_stack.state.web_url) as admin:
        admin.log_in("admin", running_stack.admin_password)
        launch(admin, toy_recipe(num_comparisons=NUM_COMPARISONS, reward_epochs=REWARD_EPOCHS))
        judge(running_stack, token, NUM_COMPARISONS)
        page, live = admin.page, admin.page.locator("#round-live")

        # A worker dies while it trains: the page says so, and another takes over what it did.
        expect(page.locator("#now").get_by_text("variant-1")).to_be_visible(timeout=120_000)
        os.kill(worker_pid(running_stack), signal.SIGKILL)
        expect(page.get_by_text("its worker vanished once").first).to_be_visible(timeout=90_000)
        page.get_by_role("button", name="Cancel round").click()
        expect(page.locator("#round-live[data-state=cancelled]")).to_be_visible()
        page.get_by_role("button", name="Go on").click()
        expect(page.locator("#round-live[data-state=running]")).to_be_visible()

        # The part that changes comes anew without a reload.
        expect(page.locator("#round-live[data-state=finished]")).to_be_visible(timeout=ROUND_SECONDS * 1000)
        expect(live.get_by_text("Finished", exact=True).first).to_be_visible()
        expect(live.get_by_text("Reward model, held-out accuracy")).to_be_visible()
        expect(live.get_by_text("Proxy win rate over the previous")).to_be_visible()
        page.get_by_role("link", name="variant-1").first.click()
        expect(page.get_by_role("heading", name="Result")).to_be_visible()

        admin.open("/models/compare/")
        page.get_by_label("First model").select_option(NEW_POLICY)
        page.get_by_label("Second model").select_option(OLD_POLICY)
        page.get_by_role("button", name="Compare").click()
        expect(page.get_by_role("region", name="Win rates")).to_be_visible()
        expect(page.get_by_role("heading", name="What differs in the data")).to_be_visible()

        admin.open(f"/projects/{PROJECT}/deployments/")
        answering = page.locator("section", has=page.get_by_role("heading", name="Answering now"))
        expect(answering.get_by_role("link", name=NEW_POLICY)).to_be_visible()
        page.get_by_role("button", name="Roll back to release").click()
        expect(answering.get_by_role("link", name=OLD_POLICY)).to_be_visible(timeout=180_000)
        assert not admin.problems


def launch(admin: Window, recipe: RoundRecipe) -> None:
    """Launch the project's second round from the form, and stay on its page."""
    page = admin.page
    admin.open("/rounds/new/")
    page.get_by_label("Project").select_option(PROJECT)
    page.get_by_label("Base", exact=True).select_option("my-base")
    page.get_by_text("Another recipe, as JSON").click()
    page.get_by_label("Recipe in full").fill(recipe.model_dump_json())
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Helpful answers, round 2")


def worker_pid(running_stack: RunningStack) -> int:
    """The worker that trains."""
    state = state_read(running_stack.var)
    assert state is not None
    return state.pids["training"]


def test_a_policy_can_be_walked_back_to_its_base_and_to_the_judgements_in_it(
    running_stack: RunningStack,
) -> None:
    code = (
        "from alignment.models import Round; from registry.models import Checkpoint;"
        "c = Checkpoint.objects.get(name='helpful-r2-averaging-average'); names = []\n"
        "while c: names.append(c.name); c = c.parents.exclude(kind='reward_model').order_by('name').first()\n"
        "judged = Round.objects.get(number=2).snapshot.judgements.filter(comparison__round=2)\n"
        "print(names[-1], judged.count())"
    )
    name, judgements = running_stack.manage("shell", "-c", code).stdout.split()[-2:]
    assert name == "my-base"
    assert 1 <= int(judgements) <= NUM_COMPARISONS


def judge(running_stack: RunningStack, token: str, count: int) -> None:
    """Judge `count` comparisons over HTTP, as the models' answers come."""
    headers = {"Authorization": f"Bearer {token}"}
    url = running_stack.state.web_url + "/api/v1"
    accepted = 0
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        deadline = time.monotonic() + ROUND_SECONDS
        while accepted < count and time.monotonic() < deadline:
            answer = client.post(f"/projects/{PROJECT}/next").raise_for_status()
            if answer.status_code == httpx.codes.NO_CONTENT:
                time.sleep(0.5)
                continue
            comparison = answer.json()["comparison"]
            assert "model" not in comparison and "model" not in comparison["left"]
            judged = client.post(
                f"/comparisons/{comparison['id']}/judgement",
                headers={"Idempotency-Key": f"key-{accepted}"},
                json={
                    "lease": comparison["lease"],
                    "preferred": "left",
                    "strength": "better",
                    "edited": None,
                    "reasons": [],
                    "comment": "",
                    "seconds": 3,
                },
            )
            assert judged.status_code == httpx.codes.CREATED, judged.text
            accepted += 1
    assert accepted == count


def _in_this_test(
    name: str, arguments: list[str], folder: Path, running_stack: RunningStack
) -> list[str | Path]:
    """The command's arguments with its files in `folder` and its recipes exchanged for small ones."""
    recipes = {"pretrain": folder / "pretraining.json", "launch_round": folder / "round.json"}
    model = running_stack.var / "runs" / "pretrain" / "my-base" / "final"
    here: list[str | Path] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if before == "--recipe":
            here.append(recipes[name])
        elif argument == "path/to/model":
            here.append(model)
        elif re.search(r"\.(jsonl|json|parquet)$", argument):
            here.append(folder / argument)
        else:
            here.append(argument)
    return here
