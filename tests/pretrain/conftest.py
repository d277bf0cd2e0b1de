"""Fixtures of the pretraining tests."""

from pathlib import Path

import pytest

from pretrain.dialog import DialogEncoder
from tests.pretrain.factories import make_tokenizer_folder


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer folder for reading only."""
    return make_tokenizer_folder(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="session")
def encoder(tokenizer_folder: Path) -> DialogEncoder:
    """That tokenizer's dialog encoder."""
    return DialogEncoder.from_folder(tokenizer_folder)
