"""Accounts in Django's admin: people, tokens (never their secrets), and the audit log to read."""

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialApp, SocialToken
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.auth import signed_in
from accounts.models import ApiToken, AuditEntry, User
from accounts.second_factor import second_factor_reset

# The provider is the environment's, and no token of it is kept; second factors hold secrets.
admin.site.unregister([SocialApp, SocialToken, Authenticator])


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]  # not generic at run time
    """People with their role and pseudonym."""

    list_display = ("username", "role", "pseudonym", "is_active", "last_login")
    list_filter = ("role", "is_active")
    search_fields = ("username", "pseudonym", "email")
    fieldsets = (*(DjangoUserAdmin.fieldsets or ()), ("Accord", {"fields": ("role", "pseudonym")}))
    add_fieldsets = (*DjangoUserAdmin.add_fieldsets, ("Accord", {"fields": ("role",)}))
    actions = ("reset_second_factor",)

    @admin.action(description=gettext_lazy("Reset the second factor"), permissions=["change"])
    def reset_second_factor(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """For people who have lost it."""
        for user in chosen:
            second_factor_reset(user, actor=signed_in(request))
            words = _("%(name)s logs in without a second factor until they set one up again.")
            messages.success(request, words % {"name": user.username})


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Tokens to look at and to end; they are made where the secret can be shown once."""

    list_display = ("name", "user", "prefix", "scopes", "created_at", "expires_at", "last_used_at")
    search_fields = ("name", "user__username")
    readonly_fields = ("user", "digest", "prefix", "scopes", "created_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No: the secret would be lost."""
        return False


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """The audit log, to read only."""

    list_display = ("created_at", "actor", "action", "subject_type", "subject_id")
    list_filter = ("action",)
    search_fields = ("subject_id", "actor__username")
    list_select_related = ("actor",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No: deeds write it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """No: it is never changed."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """No: it is never cut."""
        return False
