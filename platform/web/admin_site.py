"""Django's admin, which refuses those who are signed in and no staff: Django sends them to a login."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

ViewT = TypeVar("ViewT", bound=Callable[..., HttpResponseBase])


class StaffOnlySite(AdminSite):
    """Anonymous: the login. Staff: the admin. Everybody else: 403, as on our own pages."""

    def admin_view(self, view: ViewT, cacheable: bool = False) -> ViewT:
        """The view, for staff alone."""
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # Any: of the route
            if request.user.is_authenticated and not self.has_permission(request):
                raise PermissionDenied("This is for admins of the whole site.")
            return inner(request, *args, **kwargs)

        return cast(ViewT, guarded)


class StaffOnlyAdminConfig(AdminConfig):
    """Django's admin app with our site: what INSTALLED_APPS names."""

    default_site = "web.admin_site.StaffOnlySite"
