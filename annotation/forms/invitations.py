"""Forms of inviting and of accepting an invitation. They only check: services write."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Role
from annotation.models import Project

_LIFETIMES = [("1", _("One day")), ("7", _("7 days")), ("30", _("30 days"))]


class InvitationForm(forms.Form):
    """Who may make an account, and what it may do."""

    note = forms.CharField(
        label=_("For"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("So that you can tell invitations apart. Only admins see it."),
    )
    days = forms.ChoiceField(label=_("Valid for"), choices=_LIFETIMES, initial="7")
    role = forms.ChoiceField(label=_("Role on the whole site"), choices=Role.choices, initial=Role.ANNOTATOR)
    projects = forms.ModelMultipleChoiceField(
        label=_("Projects"),
        queryset=Project.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    project_role = forms.ChoiceField(
        label=_("Role in these projects"), choices=Role.choices, initial=Role.ANNOTATOR
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: as Django has it
        super().__init__(*args, **kwargs)
        projects = self.fields["projects"]
        assert isinstance(projects, forms.ModelMultipleChoiceField), projects
        projects.queryset = Project.objects.order_by("name")

    @property
    def expires_at(self) -> datetime:
        """When the invitation of a valid form ends."""
        return timezone.now() + timedelta(days=int(self.cleaned_data["days"]))


class JoinForm(forms.Form):
    """The name and the password of a new account."""

    username = forms.CharField(
        label=_("Username"),
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=password_validators_help_text_html,
    )
    again = forms.CharField(
        label=_("Password again"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:  # Any: Django's cleaned data
        """Both passwords must be the same."""
        cleaned: dict[str, Any] = super().clean() or {}
        if "again" in cleaned and cleaned.get("password") != cleaned["again"]:
            self.add_error("again", _("The two passwords differ."))
        return cleaned
