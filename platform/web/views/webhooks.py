"""Webhook pages, for site admins: endpoints, a new one with its secret, deliveries and sending them again."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError, Invalid
from accounts.models import User
from annotation.models import Project
from webhooks.events import CHOOSABLE, CONTENTS
from webhooks.models import Delivery, Endpoint
from webhooks.services import delivery_resend, endpoint_create, endpoint_delete, endpoint_switch, ping

PER_PAGE = 50


class EndpointForm(forms.Form):
    """A new endpoint. Only checks: services write."""

    url = forms.CharField(
        label="URL",
        max_length=500,
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/hook"}),
        help_text=gettext_lazy("It must be reachable from here and have a public address."),
    )
    project = forms.SlugField(
        label=gettext_lazy("Project"),
        required=False,
        help_text=gettext_lazy("Its name in addresses; empty for all projects."),
    )
    events = forms.MultipleChoiceField(
        label=gettext_lazy("Events"),
        choices=[(event.value, f"{event.value}: {CONTENTS[event]}") for event in CHOOSABLE],
        widget=forms.CheckboxSelectMultiple,
    )
    include_texts = forms.BooleanField(
        label=gettext_lazy("Send what people wrote"),
        required=False,
        help_text=gettext_lazy(
            "Comments and edits travel with their events. Leave it off unless they are needed."
        ),
    )


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def endpoints(request: HttpRequest) -> HttpResponse:
    """All endpoints, and the form for another; a new secret is in the answer to its making alone."""
    admin = _admin(request)
    form = EndpointForm(request.POST or None)
    made = None
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        try:
            made = endpoint_create(
                url=told["url"],
                events=told["events"],
                project=_project(told["project"]),
                include_texts=told["include_texts"],
                actor=admin,
            )
        except AccordError as error:
            form.add_error("url", str(error))
        else:
            form = EndpointForm()
    counted = Endpoint.objects.filter(user=None).annotate(
        num_waiting=Count("deliveries", filter=Q(deliveries__state="pending")),
        num_failed=Count("deliveries", filter=Q(deliveries__state="failed")),
    )
    context = {"form": form, "made": made, "endpoints": counted}
    return render(request, "web/webhooks.html", context, status=422 if form.errors else 200)


@login_required
@require_GET
def endpoint(request: HttpRequest, pk: int) -> HttpResponse:
    """One endpoint and the deliveries to it, newest first."""
    _admin(request)
    found = get_object_or_404(Endpoint, pk=pk, user=None)
    page = Paginator(found.deliveries.all(), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "web/webhook.html", {"endpoint": found, "page": page})


@login_required
@require_POST
def endpoint_do(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    """Ping, pause, resume or delete."""
    admin = _admin(request)
    found = get_object_or_404(Endpoint, pk=pk, user=None)
    if deed == "ping":
        sent = ping(found, actor=admin)
        if sent.state == Delivery.State.DELIVERED:
            messages.success(request, _("It took the ping."))
        else:
            messages.error(request, sent.error)
    elif deed in ("pause", "resume"):
        endpoint_switch(found, active=deed == "resume", actor=admin)
    elif deed == "delete":
        endpoint_delete(found, actor=admin)
        return redirect("webhooks")
    else:
        raise Http404
    return redirect("webhook", pk=pk)


@login_required
@require_POST
def resend(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a delivery again."""
    admin = _admin(request)
    delivery = get_object_or_404(Delivery, pk=pk, endpoint__user=None)
    delivery_resend(delivery, actor=admin)
    messages.success(request, _("It is on its way again."))
    return redirect("webhook", pk=delivery.endpoint_id)


def _project(slug: str) -> tuple[int, str] | None:
    if not slug:
        return None
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        raise Invalid(_("There is no project of this name: leave it empty for all projects."))
    return project.pk, project.slug


def _admin(request: HttpRequest) -> User:
    user = signed_in(request)
    if not user.is_admin:
        raise PermissionDenied(_("Webhooks are for admins of the whole site."))
    return user
