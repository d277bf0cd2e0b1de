"""The page on which site admins erase a person or a record: the plan first, then a typed confirmation."""

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.errors import AccordError
from alignment.erasing import Erase, Traces, erase_all, person_of, plan, record_of
from alignment.lineage_picture import learned_picture
from alignment.views import signed_in_admin

KINDS = (
    ("person", gettext_lazy("a person, by username")),
    ("prompt", gettext_lazy("a prompt with its dialogs, by number")),
    ("dialog", gettext_lazy("a dialog, by number")),
    ("comparison", gettext_lazy("a comparison and the later turns, by number")),
    ("document", gettext_lazy("a document of a review, by number")),
)


class ErasingForm(forms.Form):
    """What is to be erased; `confirm` repeats its name."""

    what = forms.ChoiceField(label=gettext_lazy("What"), choices=KINDS)
    name = forms.CharField(label=gettext_lazy("Username or number"), max_length=150)
    confirm = forms.CharField(required=False, max_length=150, widget=forms.HiddenInput)
    purge = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def clean_name(self) -> str:
        """A number, but for people."""
        name: str = self.cleaned_data["name"].strip()
        if self.cleaned_data.get("what") != "person" and not (name.isdecimal() and len(name) < 19):
            raise forms.ValidationError(_("Give the number that exports and addresses show."))
        return name


@login_required
@require_http_methods(["GET", "POST"])
def erase(request: HttpRequest) -> HttpResponse:
    """The form; the plan; what was done."""
    admin = signed_in_admin(request)
    form = ErasingForm(request.POST or None)
    context: dict[str, object] = {"form": form}
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        try:
            what = _what(told["what"], told["name"])
            if told["confirm"] == told["name"]:
                traces = erase_all(what, actor=admin, purge=told["purge"])
                context = {"form": ErasingForm(), "done": True, **_shown(traces)}
            else:
                context |= {"plan": True, **_shown(plan(what))}
                if told["confirm"]:
                    form.add_error(None, _("Type the same name or number again to erase it."))
        except AccordError as error:
            form.add_error("name", str(error))
    return render(request, "alignment/erase.html", context, status=422 if form.errors else 200)


def _what(kind: str, name: str) -> Erase:
    return person_of(name) if kind == "person" else record_of(kind, int(name))


def _shown(traces: Traces) -> dict[str, object]:
    rows = [(kind, number) for kind, number in sorted(traces.rows.items()) if number]
    return {
        "traces": traces,
        "rows": rows,
        "files": [str(path) for path in traces.files],
        "lineage": learned_picture(traces.learned),
    }
