"""Forms of the pages that belong to no single app."""

from datetime import datetime, timedelta

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Scope

_LIFETIMES = [("30", _("30 days")), ("90", _("90 days")), ("365", _("One year")), ("never", _("No end"))]
_SCOPES = [
    (Scope.READ.value, _("Read: what you may see, exports too")),
    (Scope.ANNOTATE.value, _("Annotate: take comparisons and judge them")),
    (Scope.MANAGE.value, _("Manage: change everything else that you may change")),
]


class TokenForm(forms.Form):
    """A new API token."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": _("Nightly export"), "autocomplete": "off"}),
        help_text=_("What will use it, so that you can tell later."),
    )
    days = forms.ChoiceField(label=_("Valid for"), choices=_LIFETIMES, initial="90")
    scopes = forms.MultipleChoiceField(
        label=_("It may"),
        choices=_SCOPES,
        initial=[Scope.READ.value],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose what the token may do.")},
    )

    @property
    def expires_at(self) -> datetime | None:
        """When the token of a valid form ends; None is never."""
        days = self.cleaned_data["days"]
        return timezone.now() + timedelta(days=int(days)) if days != "never" else None
