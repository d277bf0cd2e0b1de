"""Why a document should be dropped, as people may say it."""

from django.utils.translation import gettext_lazy

REASONS = (
    ("empty", gettext_lazy("hardly any content")),
    ("boilerplate", gettext_lazy("menus and boilerplate")),
    ("spam", gettext_lazy("advertising or spam")),
    ("repetition", gettext_lazy("repeats itself")),
    ("garbled", gettext_lazy("garbled or broken")),
    ("generated", gettext_lazy("made by a machine")),
    ("language", gettext_lazy("wrong language")),
    ("unsafe", gettext_lazy("harmful or adult")),
    ("private", gettext_lazy("personal data")),
)
"""Value and words; a key from 1 to 9 each."""
VALUES = frozenset(value for value, _ in REASONS)
