"""The options of commands that take a filter."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.filters import PARAMETERS, PreferenceFilter, from_parameters
from annotation.models import Project
from annotation.records import Strength
from annotation.services.exchange import filter_named

HELP = {
    "round": "only this round",
    "domain": "only this domain",
    "language": "only this language",
    "strength": f"only this strength: {', '.join(Strength)}",
    "annotator": "only this annotator, by pseudonym",
    "reason": "only judgements that name this reason",
    "safety": "only judgements that find an answer unsafe in this category",
    "from": "only judgements from this day on (2026-01-31, UTC)",
    "to": "only judgements up to this day",
}


def add_filter_arguments(parser: CommandParser) -> None:
    """One option for each field of a filter; those with several values are given several times."""
    parser.add_argument(
        "--saved", metavar="NAME", help="a filter saved under this name, in place of the others"
    )
    for name, text in HELP.items():
        parser.add_argument(f"--{name}", dest=f"filter_{name}", action="append", default=[], help=text)
    parser.add_argument(
        "--edited",
        dest="filter_edited",
        action="store_const",
        const=["1"],
        default=[],
        help="only with an edit",
    )
    parser.add_argument(
        "--safe",
        dest="filter_safe",
        action="store_const",
        const=["1"],
        default=[],
        help="only judgements that find nothing unsafe",
    )


def filter_given(project: Project, options: dict[str, Any]) -> PreferenceFilter:  # Any: parsed options
    """The filter that the options name or spell out. Raises CommandError, NotFound."""
    if options["saved"]:
        return filter_named(project, options["saved"])
    try:
        return from_parameters({name: options[f"filter_{name}"] for name in PARAMETERS})
    except ValueError as error:
        raise CommandError(str(error)) from error
