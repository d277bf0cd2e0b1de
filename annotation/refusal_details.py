"""What exactly was found in a refused row, in the reader's language.

In: the English sentence as `annotation.importing` writes it. Out: the same by its template, with the names
and pieces of the file in it as they are. A sentence without a template, such as a JSON parser's own, stays.
"""

import re
from collections.abc import Sequence
from functools import cache

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

DETAILS: Sequence[str] = (
    gettext_noop("%(name)s is no text"),
    gettext_noop("the content of %(name)s is no text"),
    gettext_noop("%(name)s is no message"),
    gettext_noop("%(name)s is no response"),
    gettext_noop("%(name)s is no list of messages"),
    gettext_noop("%(name)s is no list of categories"),
    gettext_noop("%(name)s is no transcript of Human and Assistant"),
    gettext_noop("%(name)s is no JSON object"),
    gettext_noop("%(name)s is missing"),
    gettext_noop("%(name)s cannot be read"),
    gettext_noop("%(name)s needs a role and a content"),
    gettext_noop("%(name)s ends with the Human"),
    gettext_noop("%(name)s ends with no message of the assistant"),
    gettext_noop("%(name)s is text without a prompt: where does it begin?"),
    gettext_noop("of an edit and what it edits only one calls a tool"),
    gettext_noop("%(name)s has more than %(number)s characters"),
    gettext_noop("%(name)s has the origin %(value)s"),
    gettext_noop("%(name)s lies outside the folder"),
    gettext_noop("%(name)s names no splits"),
    gettext_noop("%(name)s names no data files"),
    gettext_noop("%(name)s holds no Parquet, Arrow or JSON lines"),
    gettext_noop("%(name)s holds no Parquet, Arrow or JSON lines of the split %(value)s"),
    gettext_noop("tool_call of %(name)s is true or false, true for the assistant"),
    gettext_noop("round is no number from 0 up"),
    gettext_noop("created is no time like 2026-01-31T12:00:00+00:00"),
    gettext_noop("split must be train or holdout, not %(value)s"),
    gettext_noop("strongest is weaker than weakest"),
    gettext_noop("kind is one of %(value)s"),
    gettext_noop("its fields are %(value)s"),
    gettext_noop("a message of the %(name)s"),
    gettext_noop("it must end with a user's message"),
    gettext_noop("it begins with the %(name)s"),
    gettext_noop("the %(name)s speaks after the %(value)s"),
    gettext_noop("before the last answer"),
    gettext_noop("context, prompt or messages"),
    gettext_noop("they must be chosen, rejected or edited, chosen, rejected, best first"),
    gettext_noop("%(name)s for it, %(value)s for the rejected one"),
    gettext_noop("over %(number)s bytes"),
    gettext_noop("byte %(number)s of a text"),
    gettext_noop("byte %(number)s; save it as UTF-8, as `iconv -t UTF-8` does"),
    gettext_noop("nested too deeply"),
    gettext_noop("it is a %(type)s"),
    gettext_noop("it is a ZIP archive: unpack it and import the files in it"),
    gettext_noop("it is packed with xz: unpack it with `xz -d`, or pack it with gzip"),
    gettext_noop("it is packed with zstd: unpack it with `zstd -d`, or pack it with gzip"),
    gettext_noop("it is packed with bzip2: unpack it with `bzip2 -d`, or pack it with gzip"),
    gettext_noop("it is a PDF: export the data as JSON lines or Parquet"),
    gettext_noop("it is an Office document: export the data as JSON lines or Parquet"),
    gettext_noop("it is %(name)s: save it as UTF-8, as `iconv -f %(value)s -t UTF-8` does"),
    gettext_noop(
        "it is a table of text (CSV): give one JSON object a line, or Parquet, "
        "with the same columns as fields"
    ),
    gettext_noop("it is one JSON list: give one JSON object a line, as `jq -c '.[]'` makes of it"),
    gettext_noop("%(name)s was saved with an index of its rows: save it again with a newer datasets library"),
    gettext_noop(
        "unpacked it has more than %(number)s bytes; the rows so far are kept. "
        "Split it, or raise IMPORT_MAX_BYTES"
    ),
    gettext_noop(
        "it has more than %(number)s rows; those so far are kept. Split it, or raise IMPORT_MAX_ROWS"
    ),
)
"""With what the sentences have in common named in the same way: a field, file or role, a value, a number."""
PLACE = re.compile(r"%\((\w+)\)s")
KINDS = {"number": r"[\d,]+", "type": r"\w+"}


def detail_words(detail: str) -> str:
    """The detail of a refusal as its readers have it."""
    for pattern, template in _patterns():
        found = pattern.fullmatch(detail)
        if found is not None:
            return _(template) % found.groupdict()
    return detail


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """The templates with most words of their own first: "it is a table of text" before "it is a %(name)s"."""
    own = sorted(DETAILS, key=lambda template: len(PLACE.sub("", template)), reverse=True)
    return [(_pattern(template), template) for template in own]


def _pattern(template: str) -> re.Pattern[str]:
    pieces = PLACE.split(template)
    written = [
        f"(?P<{piece}>{KINDS.get(piece, '.+?')})" if number % 2 else re.escape(piece)
        for number, piece in enumerate(pieces)
    ]
    return re.compile("".join(written), re.DOTALL)
