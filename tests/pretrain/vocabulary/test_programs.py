"""The programs of vocabularies, from run.json to result, and what they say of bad input."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from pretrain.checkpoint_folder import save_checkpoint_folder
from pretrain.failures import ProgramError
from pretrain.run import RunFolder, load_config
from pretrain.vocabulary import embeddings, extend, report, train
from pretrain.vocabulary.embeddings import ExtendModelConfig
from pretrain.vocabulary.extend import ExtendConfig
from pretrain.vocabulary.extension import read_extension
from pretrain.vocabulary.report import ReportConfig
from pretrain.vocabulary.texts import TextSource
from pretrain.vocabulary.train import TrainVocabularyConfig
from tests.pretrain.factories import sentences, small_model
from tests.pretrain.vocabulary.texts import base_folder, greek, write_texts


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base tokenizer, a model with it, texts of two languages, and the base extended by 20 tokens."""
    folder = tmp_path_factory.mktemp("world")
    base_folder(folder / "base")
    save_checkpoint_folder(small_model(folder / "base"), folder / "base", folder / "model")
    write_texts(folder / "en.jsonl", sentences(300))
    write_texts(folder / "el.jsonl", greek(200), "el")
    extend.run(extend_config(folder), RunFolder(folder / "run"))
    return folder


def extend_config(world: Path, num_tokens: int = 20) -> ExtendConfig:
    """Greek for the base."""
    return ExtendConfig(
        base=world / "model",
        gain=(TextSource(path=world / "el.jsonl"),),
        leave=(TextSource(path=world / "en.jsonl", language="en"),),
        num_tokens=num_tokens,
        out=world / "extended",
    )


def test_an_extension_tells_what_changed_by_language(world: Path) -> None:
    result = RunFolder(world / "run").read_result()
    assert result is not None and result["num_tokens"] == 20
    assert abs(result["change_left_alone"]) <= 0.01 and result["change_gained"] > 0.2
    before, after = (result[side]["el"]["characters_per_token"] for side in ("before", "after"))
    assert after > 1.2 * before
    assert result["before"]["en"] == result["after"]["en"]


def test_new_rows_are_the_means_of_their_parts_and_all_else_stays(world: Path) -> None:
    config = ExtendModelConfig(model=world / "model", tokenizer=world / "extended", out=world / "larger")
    embeddings.run(config, RunFolder(world / "larger-run"))
    before, after = (
        AutoModelForCausalLM.from_pretrained(world / name, dtype=torch.float32).state_dict()
        for name in ("model", "larger")
    )
    merges = read_extension(world / "extended")
    for name, weight in before.items():
        if name not in ("model.embed_tokens.weight", "lm_head.weight"):
            assert torch.equal(weight, after[name])
            continue
        assert torch.equal(weight, after[name][: len(weight)])
        assert len(after[name]) == len(weight) + 20
        for merge in merges:
            torch.testing.assert_close(after[name][merge.token], weight[list(merge.parts)].mean(0))


def test_a_model_of_another_tokenizer_is_refused(world: Path) -> None:
    base_folder(world / "other-base", 300)
    save_checkpoint_folder(small_model(world / "other-base"), world / "other-base", world / "other")
    config = ExtendModelConfig(model=world / "other", tokenizer=world / "extended", out=world / "no")
    with pytest.raises(ProgramError, match="does not extend"):
        embeddings.run(config, RunFolder(world / "no-run"))
    config = ExtendModelConfig(model=world / "model", tokenizer=world / "base", out=world / "no")
    with pytest.raises(ProgramError, match=r"that `python -m pretrain.vocabulary.extend` wrote"):
        embeddings.run(config, RunFolder(world / "no-run"))


def test_a_trained_vocabulary_is_measured_by_language(world: Path) -> None:
    texts = (TextSource(path=world / "en.jsonl", language="en"), TextSource(path=world / "el.jsonl"))
    config = TrainVocabularyConfig(texts=texts, vocabulary_size=340, out=world / "both")
    train.run(config, RunFolder(world / "both-run"))
    tokenizers = {"English": world / "base", "both": world / "both"}
    report.run(ReportConfig(tokenizers=tokenizers, texts=texts), RunFolder(world / "report"))
    result = RunFolder(world / "report").read_result()
    assert result is not None and result["tokenizers"]["both"]["vocabulary_size"] == 340
    lines = (world / "report" / "characters_per_token.csv").read_text().splitlines()
    assert lines[0] == "language,English,both"
    language, english, both = lines[1].split(",")
    assert language == "el" and float(both) > float(english)


def test_texts_that_are_too_few_are_refused_with_what_to_do(world: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    english = TextSource(path=world / "en.jsonl", language="en")
    config = TrainVocabularyConfig(texts=(english,), vocabulary_size=5000, out=tmp_path / "out")
    with pytest.raises(ProgramError, match=r"enough for a vocabulary of \d+ tokens, not of 5000"):
        train.run(config, folder)
    with pytest.raises(ProgramError, match=r"enough for \d+ further tokens, not for 9000"):
        extend.run(extend_config(world, 9000), folder)
    (tmp_path / "empty.jsonl").write_text("\n")
    empty = TextSource(path=tmp_path / "empty.jsonl", language="en")
    with pytest.raises(ProgramError, match="too little text"):
        train.run(config.model_copy(update={"texts": (empty,)}), folder)
    nowhere = TextSource(path=tmp_path / "nowhere")
    with pytest.raises(ProgramError, match=r"give a file or folder"):
        train.run(config.model_copy(update={"texts": (nowhere,)}), folder)
    unnamed = TextSource(path=world / "en.jsonl")
    with pytest.raises(ProgramError, match='line 1: give the row a "lang"'):
        train.run(config.model_copy(update={"texts": (unnamed,)}), folder)


def test_a_run_json_names_its_sources(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"texts": [{"path": "a", "speech": "en"}], "vocabulary_size": 300, "out": "b"}')
    with pytest.raises(ProgramError, match=r"texts\.0\.speech"):
        load_config(path, TrainVocabularyConfig)
