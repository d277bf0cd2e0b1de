"""Django's admin, which refuses those who are signed in and no staff: Django sends them to a login.

What it writes is in the audit log, as all that people write is.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib.admin import AdminSite
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Max
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import User
from accounts.services import audit_record_named

ViewT = TypeVar("ViewT", bound=Callable[..., HttpResponseBase])
DEEDS = {ADDITION: "admin.add", CHANGE: "admin.change", DELETION: "admin.delete"}


class StaffOnlySite(AdminSite):
    """Anonymous: the login. Staff: the admin. Everybody else: 403, as on our own pages."""

    def login(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,  # Any: as Django has it
    ) -> HttpResponseRedirect:
        """Our own login, which counts failures: the admin's would be a second door without a guard."""
        query = urlencode({"next": request.GET.get("next") or reverse("admin:index")})
        return HttpResponseRedirect(f"{reverse('login')}?{query}")

    def admin_view(self, view: ViewT, cacheable: bool = False) -> ViewT:
        """The view, for staff alone."""
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # Any: of the route
            if request.user.is_authenticated and not self.has_permission(request):
                raise PermissionDenied("This is for admins of the whole site.")
            if request.method != "POST":
                return inner(request, *args, **kwargs)
            with transaction.atomic():
                newest = LogEntry.objects.aggregate(newest=Max("pk"))["newest"] or 0
                response = inner(request, *args, **kwargs)
                _audit(request, newest)
            return response

        return cast(ViewT, guarded)


def _audit(request: HttpRequest, newest: int) -> None:
    """Take over into the audit log what Django's own log of the admin has gained since `newest`."""
    if not isinstance(request.user, User):
        return
    for entry in LogEntry.objects.filter(pk__gt=newest, user=request.user).select_related("content_type"):
        kind = entry.content_type
        subject = "" if kind is None else f"{kind.app_label}.{kind.model}"
        data = {"message": entry.change_message}
        audit_record_named(request.user, DEEDS[entry.action_flag], (subject, entry.object_id or ""), data)
