"""`manage.py pretrain --dry-run`: a plan without hardware, database or corpus."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command


def test_the_largest_preset_is_told_without_hardware() -> None:
    out = StringIO()
    call_command("pretrain", "--recipe", "405b", "--dry-run", stdout=out)
    assert "TP 8, CP 16, PP 16, DP 8" in out.getvalue()
    assert "All stages fit into devices of 80 GiB." in out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipe", "huge", "--dry-run"], "There is no preset huge: choose one of tiny"),
        (["--recipe", "tiny"], "Give --name and --corpus, or --dry-run"),
    ],
)
def test_what_is_missing_is_told_in_a_sentence(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("pretrain", *arguments)
