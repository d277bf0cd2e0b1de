"""Which events an admin is told of by e-mail, and a try."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError
from accounts.models import User
from webhooks.events import MAILED, Event
from webhooks.models import Delivery, Endpoint
from webhooks.notifying import notifications_of, notifications_set
from webhooks.services import ping

MAX_SHOWN = 10

WORDS = {
    Event.ROUND_FINISHED: gettext_lazy("A round has finished"),
    Event.ROUND_FAILED: gettext_lazy("A round has failed"),
    Event.ROUND_STUCK: gettext_lazy("A round makes no progress"),
    Event.GATE_WAITING: gettext_lazy("A round waits at its gate"),
    Event.DEPLOY_FINISHED: gettext_lazy("New models answer"),
    Event.DEPLOY_FAILED: gettext_lazy("A deploy has failed, or a model that answered has died"),
    Event.DEPLOY_ROLLED_BACK: gettext_lazy("Models were rolled back"),
    Event.DISK_LOW: gettext_lazy("The disk is nearly full"),
}


class NotificationsForm(forms.Form):
    """Where to, and of what. Only checks: services write."""

    email = forms.EmailField(label=gettext_lazy("E-mail address"), required=False)
    events = forms.MultipleChoiceField(
        label=gettext_lazy("Tell me when"),
        choices=[(event.value, WORDS[event]) for event in MAILED],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def notifications(request: HttpRequest) -> HttpResponse:
    """The choice, and what was sent last."""
    admin = _admin(request)
    chosen = {"email": admin.email, "events": sorted(notifications_of(admin))}
    form = NotificationsForm(request.POST or None, initial=chosen)
    if request.method == "POST" and form.is_valid():
        try:
            notifications_set(admin, **form.cleaned_data)
        except AccordError as error:
            form.add_error("email", str(error))
        else:
            messages.success(request, _("Saved."))
            return redirect("notifications")
    context = {
        "form": form,
        "has_server": bool(settings.EMAIL_HOST),
        "endpoint": Endpoint.objects.filter(user=admin).first(),
        "deliveries": Delivery.objects.filter(endpoint__user=admin)[:MAX_SHOWN],
    }
    return render(request, "web/notifications.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def notifications_try(request: HttpRequest) -> HttpResponse:
    """Send an e-mail now."""
    admin = _admin(request)
    endpoint = Endpoint.objects.filter(user=admin).first()
    if endpoint is None:
        messages.error(request, _("Save your choice first."))
        return redirect("notifications")
    sent = ping(endpoint, actor=admin)
    if sent.state == Delivery.State.DELIVERED:
        messages.success(request, _("The mail server took it: look into your mailbox."))
    else:
        messages.error(request, sent.error)
    return redirect("notifications")


def _admin(request: HttpRequest) -> User:
    user = signed_in(request)
    if not user.is_admin:
        raise PermissionDenied(_("Notifications are for admins of the whole site."))
    return user
