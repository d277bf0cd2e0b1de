"""The audit log for site admins: who did what, when, and whether the chain over it is whole."""

from urllib.parse import urlencode

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.audit.log import AuditFilter, chain_shown, entries_found
from accounts.auth import signed_in


class AuditFilterForm(forms.Form):
    """What is looked for. Only checks."""

    who = forms.CharField(label=gettext_lazy("Who"), required=False, max_length=150)
    what = forms.CharField(label=gettext_lazy("Deed"), required=False, max_length=64)
    subject = forms.CharField(label=gettext_lazy("On what"), required=False, max_length=130)
    since = forms.DateField(
        label=gettext_lazy("From"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label=gettext_lazy("To"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    before = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput())


@login_required
@never_cache
@require_GET
def audit_log(request: HttpRequest) -> HttpResponse:
    """One page of the log, newest first, and the chain's state."""
    if not signed_in(request).is_admin:
        raise PermissionDenied(_("The audit log is for admins of the whole site."))
    form = AuditFilterForm(request.GET)
    chosen = AuditFilter(**form.cleaned_data) if form.is_valid() else AuditFilter()
    entries, has_older = entries_found(chosen)
    kept = {name: value for name, value in request.GET.items() if name != "before" and value}
    older = urlencode({**kept, "before": entries[-1].pk}) if has_older else ""
    context = {
        "form": form,
        "entries": entries,
        "older": older,
        "newest": urlencode(kept),
        "is_newest": chosen.before is None,
        "chain": chain_shown(),
    }
    return render(request, "web/audit.html", context, status=422 if form.errors else 200)
