"""From raw files to a registered base, and from a page that must go to all that learned from it."""

import json
import shutil
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from alignment.models import Round
from pretrain.manifest import read_manifest
from pretrain.mix import Mix, MixPhase
from pretrain.recipe import PretrainRecipe
from registry.models import Checkpoint
from tests.alignment.factories import make_round
from tests.pretrain.curation.texts import prose
from tests.pretrain.factories import quick_recipe, write_rows

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
ADDRESS = "https://www.example.org/ada?utm_source=mail"


def page(number: int) -> str:
    """A page that no filter drops, unlike all others."""
    paragraphs = "".join(f"<p>{line}</p>" for line in prose(number).splitlines())
    return f"<html><body><article><h1>Page {number}</h1>{paragraphs}</article></body></html>"


def write_raw(folder: Path) -> Path:
    """Pages, rows with addresses, and a damaged file."""
    (folder / "pages").mkdir(parents=True)
    for number in range(6):
        (folder / "pages" / f"{number}.html").write_text(page(number))
    rows = [{"html": page(number), "url": f"https://example.org/{number}"} for number in range(20, 50)]
    rows.append({"html": page(99), "url": ADDRESS})
    rows.append({"html": page(99), "url": "https://example.org/copy"})
    write_rows(folder / "crawl.jsonl", [*rows, {"title": "neither"}])
    return folder


def recipe_file(folder: Path) -> Path:
    recipe: PretrainRecipe = quick_recipe(initial={"num_steps": 10, "num_rows": 4, "sequence_length": 32})
    path = folder / "recipe.json"
    path.write_text(recipe.model_dump_json())
    return path


@pytest.fixture
def var(settings: Settings, tmp_path: Path) -> Path:
    settings.ACCORD_RUNS = tmp_path / "runs"
    settings.ACCORD_CHECKPOINTS = tmp_path / "checkpoints"
    return tmp_path


def test_raw_files_become_a_base_and_a_page_of_them_leads_to_all_that_learned_from_it(
    var: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_raw(var / "corpus")
    told = ["pretrain", "--recipe", str(recipe_file(var)), "--corpus", str(corpus), "--name", "raw"]
    mix = Mix(
        phases=(MixPhase(from_tokens=0, weights={"pages": 1.0}),), annealing={"crawl": 1.0}, block_tokens=64
    )
    (var / "mix.json").write_text(mix.model_dump_json())
    call_command(*told, "--mix", str(var / "mix.json"), "--threads", "1")
    base = Checkpoint.objects.get(name="raw")
    manifest = read_manifest(Path(base.path))
    assert manifest is not None
    assert {shard.source for shard in manifest.shards} == {"pages", "crawl"}
    assert {line.source: line.tokens for line in manifest.ledger} == {"pages": 15 * 128, "crawl": 10 * 128}
    steps = base.metrics["data"]["steps"]
    assert (steps["pages"]["num_records"], steps["pages"]["num_unreadable"]) == (39, 1)
    assert steps["near-duplicates"]["dropped_by"] == {"near_duplicate": 1}
    assert manifest.num_documents == steps["repeated lines"]["num_kept"]
    assert base.metrics["curves"]["step"][-1] == 25

    round_ = make_round()
    Round.objects.filter(pk=round_.pk).update(base=base)
    child = Checkpoint.objects.create(name="child", kind=Checkpoint.Kind.DPO, path="/child")
    child.parent_links.create(parent=base, role="initial")
    with pytest.raises(CommandError, match="There is a model 'raw' already"):
        call_command(*told)
    capsys.readouterr()
    call_command("takedown", "--url", "http://example.org/25#top", "--json", str(var / "found.json"))
    found = json.loads((var / "found.json").read_text())
    assert [(use["base"], use["documents"]) for use in found["shards"]] == [
        (name, [found["shards"][0]["documents"][0]]) for name in ("raw", "raw-initial")
    ]
    assert [use["name"] for use in found["checkpoints"]] == ["raw", "raw-initial", "child"]
    assert found["rounds"] == [{"project": round_.project.slug, "number": round_.number, "run": 1}]
    document, shard = found["shards"][0]["documents"][0], found["shards"][0]["shard"]
    for asked in (
        ("--document", document),
        ("--shard", shard),
        ("--shard", found["shards"][0]["sha256"][:10]),
    ):
        call_command("takedown", *asked)
        assert "checkpoint child learned from it" in capsys.readouterr().out

    # Of two like pages one stayed: whichever is asked for is named.
    for url in (ADDRESS, "https://example.org/copy"):
        call_command("takedown", "--url", url, "--json", str(var / "found.json"))
        found = json.loads((var / "found.json").read_text())
        assert bool(found["shards"]) != bool(found["dropped"])

    shutil.rmtree(base.metrics["data"]["corpus"])
    capsys.readouterr()
    call_command("takedown", "--url", "https://example.org/25")
    out = capsys.readouterr().out
    assert "not searched" in out and "as far as the shards could be searched" in out


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (("--document", "nothing"), "names no document: give FILE:OFFSET"),
        (("--shard", "nothing"), "No base model was trained on a shard 'nothing'"),
    ],
)
def test_what_names_nothing_is_refused(asked: tuple[str, str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("takedown", *asked)
