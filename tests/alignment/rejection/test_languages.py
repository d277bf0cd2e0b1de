"""Answers in another language than their prompt's are refused, and no others."""

import pytest

from alignment.rejection.languages import in_another_language
from alignment.rejection.recipe import LanguageCheck
from tests.alignment.rejection.factories import make_prompt
from tests.pretrain.real_dialogs import needs_real_data, rows

ENGLISH = "The capital of France is Paris, a city of two million people on the river Seine."
GERMAN = "Die Hauptstadt von Frankreich ist Paris, eine Stadt mit zwei Millionen Einwohnern an der Seine."
DANISH = "Hovedstaden i Frankrig er Paris, en by med to millioner indbyggere, som ligger ved floden Seinen."


@pytest.mark.parametrize(
    ("answer", "language", "refused"),
    [
        (GERMAN, "de", False),
        (ENGLISH, "de", True),
        (ENGLISH, "en-GB", False),
        (GERMAN, "EN", True),
        ("Paris.", "de", False),
        ("42 * 17 = 714, 714 / 2 = 357, 357 - 100 = 257, 257 % 10 = 7, 7 ** 2 = 49", "de", False),
        ("So geht es:\n```python\nfor name in names:\n    print(name.upper())\n```", "de", False),
        ("```\n" + ENGLISH + "\n```", "de", False),
        ("def first_of(rows):\n    return next((row for row in rows if row), None)", "fr", False),
        (GERMAN + "\n```\nprint('The quick brown fox jumps over the lazy dog, and so on')\n```", "de", False),
        (DANISH, "nb", False),
        ("", "de", False),
    ],
)
def test_only_a_long_answer_that_is_surely_in_another_language_is_refused(
    answer: str, language: str, refused: bool
) -> None:
    prompt = make_prompt("1", language=language)
    assert in_another_language(answer, prompt, LanguageCheck()) is refused


def test_where_the_language_is_unknown_the_prompt_itself_tells() -> None:
    asked = "Wie heißt die Hauptstadt von Frankreich, und wie viele Menschen leben dort?"
    german = make_prompt("1", language="?", text=asked)
    assert in_another_language(ENGLISH, german, LanguageCheck())
    assert not in_another_language(GERMAN, german, LanguageCheck())
    short = make_prompt("1", language="?", text="Paris?")
    assert not in_another_language(ENGLISH, short, LanguageCheck())


def test_only_the_domains_that_are_named_are_checked() -> None:
    prompt = make_prompt("1", domain="multilingual", language="de")
    assert in_another_language(ENGLISH, prompt, LanguageCheck(domains=("multilingual",)))
    assert not in_another_language(ENGLISH, prompt, LanguageCheck(domains=("chat",)))


@needs_real_data
def test_real_answers_in_english_are_hardly_ever_refused() -> None:
    transcripts = [
        row[side]
        for row in list(rows("preferences/hh_helpful_base_test.jsonl.gz"))[::3]
        for side in ("chosen", "rejected")
    ]
    answers = [transcript.rpartition("\n\nAssistant:")[2] for transcript in transcripts]
    prompt = make_prompt("1")
    refused = [answer for answer in answers if in_another_language(answer, prompt, LanguageCheck())]
    assert len(answers) > 1000
    assert not refused


@needs_real_data
def test_most_real_sentences_of_other_languages_are_told_from_english() -> None:
    english, check = make_prompt("1"), LanguageCheck()
    sentences = list(rows("text/lingua_sentences_75langs.jsonl.gz"))[::80]
    others = [row for row in sentences if row["lang"] != "en" and len(row["text"]) > 60]
    told = [row for row in others if in_another_language(row["text"], english, check)]
    own = [
        row
        for row in others
        if in_another_language(row["text"], make_prompt("1", language=row["lang"]), check)
    ]
    assert len(told) / len(others) > 0.75
    assert len(own) / len(others) < 0.005
