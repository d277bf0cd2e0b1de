"""Fixtures of the training tests."""

from pathlib import Path

import pytest

from annotation.records import write_records
from tests.alignment.training.factories import make_preferences, make_sft_examples


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten judgements and ten SFT examples, for reading only."""
    folder = tmp_path_factory.mktemp("data")
    write_records(folder / "preferences.jsonl", make_preferences(10))
    write_records(folder / "sft.jsonl", make_sft_examples(10))
    return folder
