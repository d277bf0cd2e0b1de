"""Kinds of documents that there are too many of come down to their greatest share, whatever the files."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from pretrain.curation import downsample, train_kinds
from pretrain.curation.documents import Document
from pretrain.curation.downsample import DownsampleConfig
from pretrain.curation.kinds import keep_rates
from pretrain.failures import ProgramError
from pretrain.run import RunFolder
from tests.pretrain.curation.texts import all_documents, keys, prose, write_shards

MARKS = {"arts": "painter stage song", "science": "atom cell proof"}


def documents(num: int) -> list[Document]:
    """Three quarters of them are of arts."""
    kinds = ["arts", "arts", "arts", "science"]
    return [
        Document(text=f"{MARKS[kinds[n % 4]]} {prose(n, 24)}", source=kinds[n % 4], offset=n)
        for n in range(num)
    ]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    rows = [
        {"text": f"{words} {prose(n, 24)}", "kind": kind} for n in range(150) for kind, words in MARKS.items()
    ]
    (folder / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = train_kinds.TrainKindsConfig(labels=(folder / "labels.jsonl",), out=folder / "kinds.bin")
    train_kinds.run(config, RunFolder(folder / "run"))
    result = RunFolder(folder / "run").read_result()
    assert result is not None
    assert (result["num_kinds"], result["accuracy"]) == (2, 1.0)
    return folder / "kinds.bin"


def run_in(folder: Path, classifier: Path, **fields: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "documents": folder / "in",
        "out": folder / "out",
        "max_shares": {"arts": 0.4},
        **fields,
    }
    downsample.run(DownsampleConfig(classifier=classifier, **told), RunFolder(folder / "run"))
    result = RunFolder(folder / "run").read_result()
    assert result is not None
    return result


def test_a_kind_comes_down_to_its_share_and_the_others_stay_whole(classifier: Path, tmp_path: Path) -> None:
    write_shards(tmp_path / "in", documents(800), 3)
    result = run_in(tmp_path, classifier)
    kept, dropped = all_documents(tmp_path / "out"), all_documents(tmp_path / "out" / "dropped")
    assert {document.source for document in dropped} == {"arts"}
    share = sum(len(one.text) for one in kept if one.source == "arts") / sum(len(one.text) for one in kept)
    assert share == pytest.approx(0.4, abs=0.04)
    assert result["kinds"]["arts"]["share"] == pytest.approx(0.75, abs=0.01)
    assert result["kinds"]["science"]["rate"] == 1.0
    assert result["dropped_by"] == {"kind": len(dropped)}
    assert {document.verdicts["kind"].reason for document in kept} == {"arts", "science"}
    assert dropped[0].verdicts["kind"].reason.startswith("arts: of such documents 21.9% stay")


def test_which_stay_does_not_depend_on_files_and_a_lower_share_keeps_a_part_of_them(
    classifier: Path, tmp_path: Path
) -> None:
    found = []
    for num_shards, share in ((1, 0.4), (5, 0.4), (2, 0.2)):
        folder = tmp_path / str(num_shards)
        write_shards(folder / "in", documents(200), num_shards)
        run_in(folder, classifier, max_shares={"arts": share})
        found.append(keys(all_documents(folder / "out")))
    assert found[0] == found[1]
    assert found[2] < found[0]


def test_texts_that_are_not_sure_are_other(classifier: Path, tmp_path: Path) -> None:
    write_shards(tmp_path / "in", [*documents(40), Document(text="12 34", source="x")], 1)
    result = run_in(tmp_path, classifier, min_probability=0.9999, max_shares={"arts": 0.9})
    assert result["kinds"] == {"other": {"share": 1.0, "rate": 1.0}}


def test_what_cannot_be_is_told_in_a_sentence(classifier: Path, tmp_path: Path) -> None:
    write_shards(tmp_path / "in", documents(40), 1)
    with pytest.raises(ProgramError, match="knows no 'sport': it knows arts, science"):
        run_in(tmp_path, classifier, max_shares={"sport": 0.1})
    with pytest.raises(ProgramError, match="leave no room"):
        run_in(tmp_path, classifier, max_shares={"arts": 0.4, "science": 0.4})
    with pytest.raises(ValidationError, match="between 0 and 1"):
        run_in(tmp_path, classifier, max_shares={"arts": 1.5})
    (tmp_path / "labels.jsonl").write_text('{"text": "a", "kind": "two words"}\n')
    config = train_kinds.TrainKindsConfig(labels=(tmp_path / "labels.jsonl",), out=tmp_path / "k.bin")
    with pytest.raises(ProgramError, match="line 1: give JSON with text and kind"):
        train_kinds.run(config, RunFolder(tmp_path / "train"))


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 10**12), min_size=1),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 0.9), min_size=1),
)
def test_no_kind_is_above_its_share_and_none_goes_without_need(
    sizes: dict[str, int], max_shares: dict[str, float]
) -> None:
    try:
        rates = keep_rates(sizes, max_shares)
    except ProgramError:
        # Only where the kinds with a share have no room between them.
        assert not sizes.keys() - max_shares.keys() or sum(max_shares.get(kind, 0) for kind in sizes) >= 1
        return
    assume(rates)
    kept = {kind: rates[kind] * size for kind, size in sizes.items()}
    total = sum(kept.values())
    for kind, rate in rates.items():
        assert 0 < rate <= 1
        share = kept[kind] / total
        assert share <= max_shares.get(kind, 1.0) * (1 + 1e-9)
        if rate < 1:
            assert share == pytest.approx(max_shares[kind])
