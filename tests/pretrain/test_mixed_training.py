"""Training by a mix: killed and changed on the way, it draws what it would have, and its ledger is exact."""

import json
import signal
from pathlib import Path
from typing import Literal

import pytest

from pretrain.config import PretrainConfig
from pretrain.manifest import read_manifest
from pretrain.mix import Mix, MixPhase
from pretrain.mixed_batches import MixedBatches
from pretrain.parallel.config import ParallelConfig
from pretrain.parallel.schedule import Phase, TokenSchedule
from pretrain.parallel.train import main_together
from pretrain.recipe import ModelRecipe
from pretrain.run import ProgramError, RunFolder
from pretrain.train import run
from tests.pretrain.factories import corpus_rows, quick_recipe, write_rows
from tests.pretrain.killed import start_killed

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    [1000 * (1 + source) + 20 * number + place for place in range(9 + 2 * source)]
    for source in range(2)
    for number in range(30)
]
SOURCE_OF = ["abc"[document[0] // 1000 - 1] for document in DOCUMENTS]


def mix_of(*phases: tuple[int, dict[str, float]], annealing: dict[str, float] | None = None) -> Mix:
    told = tuple(MixPhase(from_tokens=first, weights=weights) for first, weights in phases)
    return Mix(phases=told, annealing=annealing, block_tokens=32)


def write_corpus(folder: Path) -> Path:
    """Two sources: a folder and a file beside it."""
    (folder / "web").mkdir(parents=True)
    for part in range(2):
        write_rows(folder / "web" / f"{part}.jsonl", corpus_rows(100, seed=part))
    write_rows(folder / "books.jsonl", corpus_rows(50, seed=9))
    return folder


def make_run(
    folder: Path, corpus: Path, mix: Mix | Literal["by_size"], num_steps: int = 30
) -> PretrainConfig:
    config = PretrainConfig(
        recipe=quick_recipe(initial={"num_steps": num_steps, "num_rows": 4, "sequence_length": 32}),
        corpus=corpus,
        mix=mix,
        out=folder / "base",
        seed=3,
        num_threads=1,
        checkpoint_seconds=0.05,
        log_every=5,
    )
    RunFolder(folder).write_config(config)
    return config


MIX = mix_of((0, {"web": 3, "books": 1}), (2048, {"web": 1, "books": 1}), annealing={"books": 1.0})


@pytest.mark.slow
def test_a_training_killed_in_the_middle_has_the_same_model_and_ledger(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    make_run(tmp_path / "killed", corpus, MIX, num_steps=150)
    path = str(tmp_path / "killed" / "run.json")
    victim = start_killed("checkpoint-", "pretrain.train", path, cwd=REPOSITORY)
    _, errors = victim.communicate(timeout=300)
    assert victim.returncode == -signal.SIGALRM, errors
    for name in ("killed", "whole"):
        run(make_run(tmp_path / name, corpus, MIX, num_steps=150), RunFolder(tmp_path / name))
    whole = RunFolder(tmp_path / "whole").path / "base"
    for name in ("model.safetensors", "data.json"):
        assert (tmp_path / "killed" / "base" / name).read_bytes() == (whole / name).read_bytes()
    rows = [list(RunFolder(tmp_path / name).read_metrics("metrics")) for name in ("whole", "killed")]
    whole_rows, killed_rows = ({row["step"]: row for row in found} for found in rows)
    for step in range(5, 166, 5):
        assert whole_rows[step]["drawn_web"] == killed_rows[step]["drawn_web"]
    ledger = {line["source"]: line for line in (RunFolder(tmp_path / "whole").read_result() or {})["ledger"]}
    num_tokens = 150 * 128 + 15 * 128
    assert ledger["web"]["tokens"] + ledger["books"]["tokens"] == num_tokens
    # Three quarters of 16 steps, half of the other 134 and of 5 in long context, none of 10 in annealing.
    assert ledger["web"]["tokens"] == pytest.approx(128 * (0.75 * 16 + 0.5 * 139), abs=12 * 32)
    assert ledger["books"]["epochs"] > 2


def test_a_finished_model_tells_the_files_it_learned_from(tmp_path: Path) -> None:
    config = make_run(tmp_path / "run", write_corpus(tmp_path / "corpus"), "by_size", num_steps=6)
    run(config, RunFolder(tmp_path / "run"))
    manifest = read_manifest(config.out)
    assert manifest is not None
    assert [(shard.name, shard.source, shard.documents) for shard in manifest.shards] == [
        ("books.jsonl", "books", 50),
        ("web/0.jsonl", "web", 100),
        ("web/1.jsonl", "web", 100),
    ]
    assert manifest.num_documents == 250 and manifest.mix is not None
    assert manifest.mix.sources == ["books", "web"]
    assert sum(line.tokens for line in manifest.ledger) == 21 * 128
    assert manifest.is_of(config.corpus, tmp_path / "run" / "tokenizer")
    (config.corpus / "books.jsonl").write_text("{}")
    assert not manifest.is_of(config.corpus, None)


def batches_of(mix: Mix, num_rows: int, length: int = 16) -> MixedBatches:
    return MixedBatches(
        DOCUMENTS,
        SOURCE_OF,
        mix,
        seed=1,
        rows_at=lambda step: (num_rows, length),
        annealing_first=lambda: None,
        max_tokens_per_microbatch=64,
    )


def read(batches: MixedBatches, steps: range) -> list[int]:
    found = [batch.input_ids_BT.flatten().tolist() for step in steps for batch in batches.batch_at(step)]
    return [token for part in found for token in part]


def test_other_batches_go_on_with_the_next_token_and_the_ledger_goes_on(tmp_path: Path) -> None:
    mix = mix_of((0, {"a": 2, "b": 1}))
    sittings = ((4, 16, range(10)), (6, 24, range(10, 17)), (1, 64, range(17, 40)))
    tokens: list[int] = []
    for num_rows, length, steps in sittings:
        batches = batches_of(mix, num_rows, length)
        batches.keep(RunFolder(tmp_path), steps.start, 40)
        tokens += read(batches, steps)
    assert tokens == read(batches_of(mix, 1, len(tokens)), range(1))
    ledger = {drawn.source: drawn.tokens for drawn in batches.ledger(40)}
    assert ledger == {
        name: sum(token // 1000 == place for token in tokens) for place, name in ((1, "a"), (2, "b"))
    }


def test_a_mix_may_change_from_the_next_token_on_and_not_before(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    before = mix_of((0, {"a": 1}))
    batches_of(before, 4).keep(folder, 0, 20)
    batches_of(mix_of((0, {"a": 1}), (640, {"b": 1})), 4).keep(folder, 10, 20)
    with pytest.raises(ProgramError, match="leave its phases before token 704"):
        batches_of(mix_of((0, {"b": 1})), 4).keep(folder, 11, 20)


def test_documents_that_were_drawn_must_be_there_still(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    mix = mix_of((0, {"a": 1}), (6400, {"b": 1}))
    batches_of(mix, 4).keep(folder, 0, 20)
    path = tmp_path / "mix.json"
    told = json.loads(path.read_text())
    told["sources"]["b"] = "not drawn yet"
    path.write_text(json.dumps(told))
    batches_of(mix, 4).keep(folder, 10, 20)
    told["sources"]["a"] = "others"
    path.write_text(json.dumps(told))
    with pytest.raises(ProgramError, match=r"source 'a', or the tokenizer, are not those"):
        batches_of(mix, 4).keep(folder, 10, 20)


def test_a_mesh_draws_by_a_mix_and_its_ledger_counts_it(tmp_path: Path, tokenizer_folder: Path) -> None:
    phase = Phase(from_tokens=0, num_rows=8, sequence_length=32)
    config = ParallelConfig(
        model=ModelRecipe(num_layers=1, hidden_size=32, head_size=8),
        tokenizer=tokenizer_folder,
        corpus=write_corpus(tmp_path / "corpus"),
        mix=mix_of((0, {"web": 1}), (512, {"web": 1, "books": 3})),
        out=tmp_path / "model",
        schedule=TokenSchedule(
            num_tokens=1536,
            phases=(phase,),
            learning_rate=1e-2,
        ),
        seed=0,
        log_every=2,
    )
    main_together(config, RunFolder(tmp_path / "run"))
    result = RunFolder(tmp_path / "run").read_result()
    assert result is not None
    ledger = {line["source"]: line["tokens"] for line in result["ledger"]}
    assert sum(ledger.values()) == result["num_tokens"] == 1536
    assert ledger["books"] == pytest.approx(768, abs=128)
    rows = [row for row in RunFolder(tmp_path / "run").read_metrics("metrics") if "drawn_web" in row]
    assert [(row["step"], row["drawn_web"] + row["drawn_books"]) for row in rows] == [
        (2, 512),
        (4, 1024),
        (6, 1536),
    ]
