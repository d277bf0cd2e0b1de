"""`manage.py show_tokens`: an example token by token, coloured by what each token is for in training."""

from itertools import groupby
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.text import Text

from alignment.examples import Example, read_example
from alignment.shown_tokens import Kind, ShownPart, ShownToken, shown_parts
from annotation.models import Project
from annotation.selectors import judgement_find, judgement_newest, record_of
from pretrain.encoders import encoder_for
from pretrain.run import ProgramError
from registry.models import Checkpoint

STYLES = {Kind.CONTEXT: "dim", Kind.RESPONSE: "black on green", Kind.FORMAT: "underline black on yellow"}
MEANING = {
    Kind.CONTEXT: "read and never learned",
    Kind.RESPONSE: "learned: what an answer says",
    Kind.FORMAT: "learned too, but is form: DPO's preference term leaves it out",
}


class Command(BaseCommand):
    """Show an example."""

    help = "Show an example token by token, as a model reads it, coloured by mask."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose tokenizer, and which example."""
        parser.add_argument("--model", required=True, help="a model's name in the registry, or its folder")
        parser.add_argument("--judgement", help="the id of a judgement or of its record")
        parser.add_argument("--project", help="a project's slug: its newest judgement")
        parser.add_argument("--file", type=Path, help="JSONL of preference records, SFT examples or prompts")
        parser.add_argument("--line", type=int, default=1, help="with --file: which line, counted from 1")
        parser.add_argument("--ids", action="store_true", help="write every token's id after it")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Find, encode, print."""
        try:
            example = find_example(options)
            parts = shown_parts(example, encoder_for(model_folder(options["model"])))
        except ProgramError as error:
            raise CommandError(str(error)) from error
        console = Console(highlight=False, soft_wrap=True)
        for kind, meaning in MEANING.items():
            console.print(Text.assemble((kind.value, STYLES[kind]), f" is {meaning}"))
        for part in parts:
            console.print()
            console.print(Text(f"{part.title}, {part.num_tokens:,} tokens", style="bold"))
            console.print(coloured(part, with_ids=options["ids"]))


def find_example(options: dict[str, Any]) -> Example:  # Any: Django's parsed options
    """The example that is asked for. Raises CommandError or ProgramError where there is none."""
    given = [name for name in ("judgement", "project", "file") if options[name]]
    if len(given) != 1:
        raise CommandError("Choose one example: give --judgement ID, --project SLUG or --file FILE.")
    if options["file"]:
        return read_example(options["file"], options["line"])
    if options["judgement"]:
        judgement = judgement_find(options["judgement"])
    else:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}.")
        judgement = judgement_newest(project)
    if judgement is None:
        raise CommandError("There is no such judgement: give the id of a judgement or of its record.")
    return record_of(judgement, judgement.record_id)


def model_folder(model: str) -> Path:
    """The folder of a registered model, or the folder itself. Raises CommandError where there is neither."""
    checkpoint = Checkpoint.objects.filter(name=model).first()
    if checkpoint is not None:
        return Path(checkpoint.path)
    if Path(model).is_dir():
        return Path(model)
    raise CommandError(f"There is no model {model!r}: give a name in the registry or a folder.")


def coloured(part: ShownPart, *, with_ids: bool) -> Text:
    """A part's tokens, each in the colour of its kind."""
    text = tokens_text(part.beginning, with_ids=with_ids)
    if part.num_left_out:
        text.append(f"\n… {part.num_left_out:,} tokens are not shown …\n", style="italic")
        text.append_text(tokens_text(part.end, with_ids=with_ids))
    return text


def tokens_text(tokens: list[ShownToken], *, with_ids: bool) -> Text:
    """Tokens beside each other, those of one kind after its name: a pipe has no colours."""
    text = Text()
    for number, (kind, run) in enumerate(groupby(tokens, key=lambda token: token.kind)):
        text.append(f"{chr(10) if number else ''}{kind.value:<8} ", style="italic")
        for token in run:
            text.append(token.text, style=STYLES[kind])
            text.append(f"[{token.id}]" if with_ids else "│", style="dim")
    return text
