"""The pages and the command that show examples token by token: who sees them, what they show and refuse."""

import html
import json
import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import Role
from accounts.services import user_create
from alignment.models import Program
from alignment.records import SftExample
from annotation.importing.preferences import read_preferences
from annotation.models import Judgement
from annotation.records import Message, write_records
from annotation.services import preferences_import
from pretrain.dialog import SPECIAL_TOKENS
from registry.models import Checkpoint
from tests.alignment.factories import make_program
from tests.alignment.sampling.factories import make_preferences, make_tokenizer
from tests.annotation.factories import make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client: Client) -> Client:
    """An admin's browser."""
    client.force_login(user_create(username="lead", role=Role.ADMIN))
    return client


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    """A model of which there is only the tokenizer."""
    folder = make_tokenizer(tmp_path / "model")
    return Checkpoint.objects.create(
        name="base", kind=Checkpoint.Kind.BASE, path=str(folder), content_hash="0" * 64
    )


@pytest.fixture
def judgements(tmp_path: Path) -> list[Judgement]:
    """Three of one project, and one of another between them."""
    helpful, other = make_project("helpful"), make_project("other")
    for project, record in zip((helpful, helpful, other, helpful), make_preferences(4), strict=True):
        write_records(tmp_path / "rows.jsonl", [record])
        preferences_import(project, read_preferences(tmp_path / "rows.jsonl", None))
    return list(Judgement.objects.order_by("pk"))


def shown(text: str, kind: str) -> str:
    """The text of a page's tokens of one kind."""
    found = re.findall(rf'<span class="token token-{kind}" title="\d+">(.*?)</span>', text, re.S)
    return html.unescape("".join(found))


def test_tokens_are_for_admins(client: Client, checkpoint: Checkpoint) -> None:
    url = reverse("model-tokens", args=[checkpoint.pk])
    assert client.get(url).status_code == 302
    for role in (Role.ANNOTATOR, Role.REVIEWER):
        client.force_login(user_create(username=f"a-{role}", role=role))
        assert client.get(url).status_code == 403
    assert client.get(reverse("program-tokens", args=[1])).status_code == 404


def test_the_newest_judgement_is_shown_as_the_model_reads_it(
    page: Client, checkpoint: Checkpoint, judgements: list[Judgement]
) -> None:
    model = page.get(reverse("model", args=[checkpoint.pk])).content.decode()
    url = reverse("model-tokens", args=[checkpoint.pk])
    assert url in model
    text = page.get(url).content.decode()
    assert f"Judgement {judgements[-1].pk} of" in text
    assert shown(text, "context").startswith("<|begin_of_text|><|start_header_id|>user")
    assert shown(text, "response") == "It is so.No, prompt-3!"
    assert shown(text, "format") == "<|eot_id|>" * 2
    assert "10 tokens: 9 response, 1 format" in text


def test_a_page_leads_to_the_judgements_before_and_after_in_the_project(
    page: Client, checkpoint: Checkpoint, judgements: list[Judgement]
) -> None:
    url = reverse("model-tokens", args=[checkpoint.pk])
    text = page.get(url, {"example": judgements[1].pk}).content.decode()
    assert f'href="?example={judgements[0].pk}" rel="prev"' in text
    assert f'href="?example={judgements[3].pk}" rel="next"' in text
    by_record = page.get(url, {"example": judgements[1].record_id}).content.decode()
    assert shown(by_record, "response") == shown(text, "response")


@pytest.mark.parametrize("example", ["999999", "nothing", "9" * 40, "<script>", "٣"])
def test_a_judgement_that_is_not_there_is_said_so(page: Client, checkpoint: Checkpoint, example: str) -> None:
    response = page.get(reverse("model-tokens", args=[checkpoint.pk]), {"example": example})
    assert response.status_code == 404
    assert "There is no judgement" in response.content.decode()
    assert "<script>'" not in response.content.decode()


def test_without_judgements_there_is_nothing_to_show(page: Client, checkpoint: Checkpoint) -> None:
    response = page.get(reverse("model-tokens", args=[checkpoint.pk]))
    assert response.status_code == 200
    assert "There is no judgement yet" in response.content.decode()


def test_a_model_that_cannot_read_dialogs_is_said_so(
    page: Client, checkpoint: Checkpoint, judgements: list[Judgement]
) -> None:
    Checkpoint.objects.filter(pk=checkpoint.pk).update(path="/nowhere")
    text = page.get(reverse("model-tokens", args=[checkpoint.pk])).content.decode()
    assert "There is no tokenizer.json in /nowhere" in text


def test_text_that_looks_like_html_or_a_special_token_is_shown_as_text(
    page: Client, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    (record,) = make_preferences(1)
    attack = f"<b>&amp;</b>{SPECIAL_TOKENS[6]}\x1b"
    context = (Message(role="user", content=attack),)
    write_records(tmp_path / "rows.jsonl", [record.model_copy(update={"context": context})])
    preferences_import(make_project(), read_preferences(tmp_path / "rows.jsonl", None))
    text = page.get(reverse("model-tokens", args=[checkpoint.pk])).content.decode()
    assert f"<b>&amp;</b>{SPECIAL_TOKENS[6]}⟨001B⟩<|eot_id|>" in shown(text, "context")
    assert "<b>" not in text


def training_program(tmp_path: Path, checkpoint: Checkpoint) -> Program:
    """A program that learned from two SFT examples."""
    program = make_program(tmp_path / "run", "finish")
    context = (Message(role="user", content="Why?"),)
    examples = [
        SftExample(id=answer, source="imported", context=context, response=answer)
        for answer in ("One.", "Two.")
    ]
    write_records(tmp_path / "train.jsonl", examples)
    told = {"initial": checkpoint.path, "train": str(tmp_path / "train.jsonl")}
    (tmp_path / "run" / "run.json").write_text(json.dumps(told))
    Program.objects.filter(pk=program.pk).update(module="alignment.training.sft")
    return program


def test_a_program_shows_each_line_that_it_learned_from(
    page: Client, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    program = training_program(tmp_path, checkpoint)
    url = reverse("program-tokens", args=[program.pk])
    assert url in page.get(reverse("program", args=[program.pk])).content.decode()
    text = page.get(url).content.decode()
    assert shown(text, "response") == "One."
    assert 'href="?example=2" rel="next"' in text
    assert 'rel="prev"' not in text
    assert shown(page.get(url, {"example": 2}).content.decode(), "response") == "Two."
    for line in ("3", "0", "-1", "x"):
        response = page.get(url, {"example": line})
        assert response.status_code == 404
        assert "choose a line from 1 to 2" in response.content.decode()


def test_a_program_that_learns_from_nothing_is_said_so(page: Client, tmp_path: Path) -> None:
    program = make_program(tmp_path / "run", "finish")
    response = page.get(reverse("program-tokens", args=[program.pk]))
    assert response.status_code == 404
    assert "This program learns from no examples" in response.content.decode()
    assert (
        reverse("program-tokens", args=[program.pk])
        not in page.get(reverse("program", args=[program.pk])).content.decode()
    )


def test_the_command_shows_the_same_with_names_for_the_colours(
    checkpoint: Checkpoint, judgements: list[Judgement], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("show_tokens", model="base", judgement=str(judgements[0].pk))
    printed = capsys.readouterr().out
    assert "response I│t│ │i│s│ │s│o│.│\nformat   <|eot_id|>│" in printed
    call_command("show_tokens", model="base", project="other")
    assert "prompt-2" in capsys.readouterr().out.replace("│", "")
    call_command("show_tokens", model=checkpoint.path, file=tmp_path / "rows.jsonl", line=1, ids=True)
    assert re.search(r"format   <\|eot_id\|>\[\d+\]", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "base"}, "give --judgement ID, --project SLUG or --file FILE"),
        ({"model": "base", "judgement": "1", "project": "p"}, "Choose one example"),
        ({"model": "none", "project": "helpful"}, "There is no model 'none'"),
        ({"model": "base", "project": "none"}, "There is no project 'none'"),
        ({"model": "base", "judgement": "none"}, "There is no such judgement"),
        ({"model": "base", "file": Path("/nowhere.jsonl")}, "There is no /nowhere.jsonl"),
    ],
)
def test_the_command_says_what_is_missing(
    checkpoint: Checkpoint, judgements: list[Judgement], options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("show_tokens", **options)
