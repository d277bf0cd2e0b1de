"""Why imported rows were refused, in the reader's language: kept in English, as commands write it."""

import re

from django.utils.translation import gettext as _

from annotation.importing.refusal import Reason
from annotation.refusal_details import detail_words

_REASONS = "|".join(re.escape(reason.value) for reason in sorted(Reason, key=len, reverse=True))
_REFUSAL = re.compile(
    r"(?P<file>(?:.*?(?:, |: ))??)(?:(?P<unit>line|row) (?P<number>\d+): )?"
    rf"(?P<reason>{_REASONS})(?P<detail>(?:: .*)?)",
    re.DOTALL,
)


def reason_words(reason: str) -> str:
    """The reason as its readers have it; one that is unknown stays as it is."""
    return _words().get(reason, reason)


def refusal_words(refusal: str) -> str:
    """A refusal's sentence, "line 3: a field is missing: context", with place, reason and detail translated.

    Names of fields and pieces of the file stay as they are.
    """
    parts = _REFUSAL.fullmatch(refusal)
    if parts is None:
        return refusal
    place = ""
    if parts["unit"]:
        words = _("line %(number)s") if parts["unit"] == "line" else _("row %(number)s")
        place = f"{words % {'number': parts['number']}}: "
    detail = parts["detail"].removeprefix(": ")
    found = f": {detail_words(detail)}" if detail else ""
    return f"{parts['file']}{place}{reason_words(parts['reason'])}{found}"


def _words() -> dict[str, str]:
    return {
        Reason.WRONG_FILE: _("not a file that can be read here"),
        Reason.TOO_MUCH: _("the file holds more than an import may read"),
        Reason.NOT_UTF8: _("not UTF-8"),
        Reason.CUT_OFF: _("the file is cut off or damaged"),
        Reason.TOO_LONG: _("the line is too long"),
        Reason.NOT_JSON: _("not JSON"),
        Reason.NOT_AN_OBJECT: _("not a JSON object"),
        Reason.UNKNOWN_FORMAT: _("in no known format"),
        Reason.MISSING: _("a field is missing"),
        Reason.WRONG_TYPE: _("a field has the wrong type"),
        Reason.TOO_LARGE: _("a field is too large"),
        Reason.NOT_STORABLE: _("text with NUL characters or broken Unicode"),
        Reason.EMPTY_MESSAGE: _("an empty message"),
        Reason.UNKNOWN_ROLE: _("unknown role"),
        Reason.SAME_SPEAKER_TWICE: _("the same speaker twice"),
        Reason.BAD_CONTEXT: _("a context that asks for no answer"),
        Reason.EMPTY_RESPONSE: _("empty response"),
        Reason.IDENTICAL_RESPONSES: _("identical responses"),
        Reason.DIFFERENT_CONTEXTS: _("the contexts differ"),
        Reason.WRONG_RESPONSES: _("responses that are no ranking"),
        Reason.UNKNOWN_STRENGTH: _("unknown strength"),
        Reason.OTHER_CONTENT: _("its id belongs to other content"),
        Reason.SCORES_DISAGREE: _("its scores do not prefer the chosen answer"),
    }
