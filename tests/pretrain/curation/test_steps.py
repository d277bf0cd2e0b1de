"""The programs of curation: killed and resumed, in any order of files, every document accounted for."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pretrain.curation import (
    count_words,
    deduplicate_documents,
    deduplicate_lines,
    deduplicate_urls,
    sift,
)
from pretrain.curation.code import NO_LANGUAGE
from pretrain.curation.deduplicate_documents import DeduplicateDocumentsConfig
from pretrain.curation.deduplicate_lines import DeduplicateLinesConfig
from pretrain.curation.deduplicate_urls import DeduplicateUrlsConfig
from pretrain.curation.documents import Document
from pretrain.curation.sift import SiftConfig
from pretrain.curation.sifting import DivergencePart, EvaluationPart, SiftRecipe
from pretrain.curation.steps import StepConfig
from pretrain.failures import ProgramError
from pretrain.run import RunFolder
from tests.pretrain.curation.texts import (
    all_documents,
    changed,
    keys,
    program,
    prose,
    shard_bytes,
    write_shards,
)

MENU = "Home | About | Contact"


def corpus(num: int) -> list[Document]:
    """Documents, each with a near-duplicate, some with one address, all with a menu."""
    documents = []
    for seed in range(num):
        text = f"{MENU}\n{prose(seed)}"
        url = f"https://example.org/{seed}"
        documents.append(Document(text=text, source="a", offset=seed, url=url, date="2023", language="en"))
        near = changed(text, 1, seed) + " More."
        documents.append(
            Document(text=near, source="b", offset=seed, url=f"{url}/?utm_source=x", date="2024")
        )
        documents[-1] = documents[-1].model_copy(update={"language": "en" if seed % 2 else "de"})
    return documents


def run_in(program: Any, config: StepConfig, folder: Path) -> dict[str, Any]:  # Any: module, JSON
    """Run a step here and give its result."""
    run_folder = RunFolder(folder)
    program.run(config, run_folder)
    result = run_folder.read_result()
    assert result is not None
    return result


def test_of_each_address_the_newest_stays_with_the_reason_beside(tmp_path: Path) -> None:
    write_shards(tmp_path / "in", corpus(6), 3)
    config = DeduplicateUrlsConfig(documents=tmp_path / "in", out=tmp_path / "out", rows_at_once=5)
    result = run_in(deduplicate_urls, config, tmp_path / "run")
    assert (result["num_documents"], result["num_kept"]) == (12, 6)
    assert keys(all_documents(tmp_path / "out")) == {("b", seed) for seed in range(6)}
    dropped = all_documents(tmp_path / "out" / "dropped")
    assert keys(dropped) == {("a", seed) for seed in range(6)}
    assert dropped[0].verdicts["duplicate_url"].reason.endswith("jsonl.zst stays")


@pytest.mark.parametrize(
    ("program", "config_type"),
    [
        (deduplicate_urls, DeduplicateUrlsConfig),
        (deduplicate_documents, DeduplicateDocumentsConfig),
        (deduplicate_lines, DeduplicateLinesConfig),
    ],
)
def test_files_their_order_and_the_number_of_tasks_do_not_matter(
    program: Any,  # Any: a module
    config_type: type[StepConfig],
    tmp_path: Path,
) -> None:
    documents = corpus(8)
    found = []
    for number, num_tasks in ((1, 1), (4, 2)):
        folder = tmp_path / str(number)
        write_shards(folder / "in", documents, number)
        for task in range(num_tasks):
            config = config_type(documents=folder / "in", out=folder / "out", task=task, num_tasks=num_tasks)
            run_in(program, config, folder / f"run{task}")
        found.append({(*document.key, document.text) for document in all_documents(folder / "out")})
        documents = random.Random(1).sample(documents, len(documents))
    assert found[0] == found[1]
    assert found[0]


def test_near_duplicates_of_one_language_go_and_of_two_stay(tmp_path: Path) -> None:
    write_shards(tmp_path / "in", corpus(6), 2)
    config = DeduplicateDocumentsConfig(documents=tmp_path / "in", out=tmp_path / "out")
    result = run_in(deduplicate_documents, config, tmp_path / "run")
    assert result["dropped_by"] == {"near_duplicate": 3}
    kept = keys(all_documents(tmp_path / "out"))
    assert kept >= {("a", seed) for seed in (0, 2, 4)} | {("b", seed) for seed in (0, 2, 4)}
    assert not list((tmp_path / "run").glob(".*"))


def test_a_line_in_more_than_six_documents_goes_and_an_empty_document_with_it(tmp_path: Path) -> None:
    documents = [
        *corpus(8)[::2],
        Document(text=MENU, source="c", language="en"),
        *(Document(text=f"{MENU}\nEin Satz {n}.", source="d", offset=n, language="de") for n in range(6)),
    ]
    write_shards(tmp_path / "in", documents, 3)
    config = DeduplicateLinesConfig(documents=tmp_path / "in", out=tmp_path / "out", lines_at_once=10)
    result = run_in(deduplicate_lines, config, tmp_path / "run")
    assert result["dropped_by"] == {"repeated_lines": 1}
    with_menu = [document.source for document in all_documents(tmp_path / "out") if MENU in document.text]
    assert with_menu == ["d"] * 6


def test_code_keeps_the_lines_that_every_program_has(tmp_path: Path) -> None:
    documents = [Document(text=program(n), source="c", offset=n, language=NO_LANGUAGE) for n in range(8)]
    write_shards(tmp_path / "in", documents, 1)
    config = DeduplicateLinesConfig(documents=tmp_path / "in", out=tmp_path / "out")
    assert run_in(deduplicate_lines, config, tmp_path / "run")["num_kept"] == 8
    assert {document.text for document in all_documents(tmp_path / "out")} == {program(n) for n in range(8)}


def test_every_filter_says_its_verdict_and_all_documents_are_accounted_for(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("bad.example\n")
    (tmp_path / "evaluation.txt").write_text("How many legs do seven spiders and two cats have together?\n")
    documents = [
        Document(text=prose(1), source="good", language="en"),
        Document(text=prose(2), source="domain", url="http://x.bad.example/", language="en"),
        Document(text=prose(3) + "\nporn porno xxx milf hentai", source="dirty", language="en"),
        Document(text=prose(4) + "\nWrite to ann@example.org now.", source="masked", language="en"),
        Document(
            text=prose(5) + "\nHow many legs do seven spiders and two cats have together?",
            source="evaluation",
            language="en",
        ),
        Document(text=" ".join(f"person{n}@example.org" for n in range(80)), source="list", language="en"),
        Document(text=" ".join(f"zq{n}" for n in range(200)), source="odd", language="en"),
    ]
    write_shards(tmp_path / "in", documents, 2)
    counting = count_words.CountWordsConfig(documents=tmp_path / "in", out=tmp_path / "counts")
    count_words.run(counting, RunFolder(tmp_path / "count"))
    recipe = SiftRecipe(
        unsafe_domains=(tmp_path / "bad.txt",),
        evaluation=EvaluationPart(texts=(tmp_path / "evaluation.txt",)),
        divergence=DivergencePart(word_counts=tmp_path / "counts", max_nats=9.4),
    )
    config = SiftConfig(documents=tmp_path / "in", out=tmp_path / "out", recipe=recipe)
    result = run_in(sift, config, tmp_path / "run")
    kept, dropped = all_documents(tmp_path / "out"), all_documents(tmp_path / "out" / "dropped")
    assert {document.source for document in kept} == {"good", "masked"}
    assert "[EMAIL_1]" in next(document.text for document in kept if document.source == "masked")
    why = {
        document.source: {name for name, verdict in document.verdicts.items() if not verdict.kept}
        for document in dropped
    }
    assert why["domain"] == {"unsafe_domain"}
    assert why["dirty"] == {"dirty_words"}
    assert why["evaluation"] == {"evaluation"}
    assert "private_data" in why["list"]
    assert result["num_documents"] == len(documents) == len(kept) + len(dropped)


def start(config: StepConfig, folder: Path, module: str) -> subprocess.Popen[bytes]:
    """Start a step as a program."""
    RunFolder(folder).write_config(config)
    command = [sys.executable, "-m", module, str(folder / "run.json")]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def test_a_killed_step_goes_on_where_it_was_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    write_shards(tmp_path / "in", corpus(240), 24)
    whole = SiftConfig(documents=tmp_path / "in", out=tmp_path / "whole")
    run_in(sift, whole, tmp_path / "run-whole")
    config = SiftConfig(documents=tmp_path / "in", out=tmp_path / "out")
    program = start(config, tmp_path / "run", "pretrain.curation.sift")
    reports = tmp_path / "out" / "reports"
    while program.poll() is None and len(list(reports.glob("*.json"))) < 3:
        time.sleep(0.005)
    os.kill(program.pid, signal.SIGKILL)
    program.communicate()
    assert 3 <= len(list(reports.glob("*.json"))) < 24
    done = {path: path.stat().st_mtime_ns for path in reports.glob("*.json")}
    again = start(config, tmp_path / "run", "pretrain.curation.sift")
    _, told = again.communicate()
    assert again.returncode == 0, told
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert shard_bytes(tmp_path / "out") == shard_bytes(tmp_path / "whole")
    assert json.loads((tmp_path / "run" / "result.json").read_text())["num_documents"] == 480


def test_a_changed_shard_and_a_changed_recipe_are_noticed(tmp_path: Path) -> None:
    write_shards(tmp_path / "in", corpus(4), 2)
    config = SiftConfig(documents=tmp_path / "in", out=tmp_path / "out")
    first = run_in(sift, config, tmp_path / "run")
    write_shards(tmp_path / "in", corpus(5), 2)
    assert run_in(sift, config, tmp_path / "run")["num_documents"] == first["num_documents"] + 2
    none = config.model_copy(update={"recipe": SiftRecipe(heuristics=None)})
    run_in(sift, none, tmp_path / "run")
    assert "num_words" not in all_documents(tmp_path / "out")[0].verdicts


def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path: Path) -> None:
    config = SiftConfig(documents=tmp_path / "in", out=tmp_path / "out")
    with pytest.raises(ProgramError, match="There are no documents in"):
        run_in(sift, config, tmp_path / "run")
    write_shards(tmp_path / "in", corpus(30), 1)
    shard = tmp_path / "in" / "00.jsonl.zst"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ProgramError, match="is damaged"):
        run_in(sift, config, tmp_path / "run")
    shard.write_bytes(b"no shard")
    with pytest.raises(ProgramError, match="is damaged"):
        run_in(sift, config, tmp_path / "run")
    assert not list((tmp_path / "out").glob("*.zst"))
    assert not list((tmp_path / "out").glob(".*"))
