"""People, the tokens their programs carry, and the audit log of everything that was written."""

import secrets
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


def pseudonym_new() -> str:
    """A name that says nothing about the person: what preference records carry."""
    return f"person-{secrets.token_hex(5)}"


class Role(models.TextChoices):
    """What a person may do; also given per project by its memberships."""

    ANNOTATOR = "annotator", _("Annotator")
    REVIEWER = "reviewer", _("Reviewer")
    ADMIN = "admin", _("Admin")


class UserManager(DjangoUserManager["User"]):
    """Django's manager, which knows that who may do everything is an admin."""

    def create_superuser(
        self,
        username: str,
        email: str | None = None,
        password: str | None = None,
        **extra_fields: Any,
    ) -> "User":
        """Make an admin."""
        extra_fields.setdefault("role", Role.ADMIN)
        return super().create_superuser(username, email, password, **extra_fields)


class User(AbstractUser):
    """One person, or a program that judges like one."""

    role = models.CharField(max_length=16, choices=Role, default=Role.ANNOTATOR)
    pseudonym = models.CharField(max_length=100, unique=True, default=pseudonym_new)

    objects: ClassVar[UserManager] = UserManager()

    @property
    def is_admin(self) -> bool:
        """May this person do everything, in every project?"""
        return self.is_active and (self.role == Role.ADMIN or self.is_superuser)

    @property
    def is_reviewer(self) -> bool:
        """May this person see models, and what the start page says of their projects?"""
        return self.is_admin or (self.is_active and self.role == Role.REVIEWER)


class ApiToken(models.Model):
    """A secret that a program shows in place of a password. Only its SHA-256 is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=16)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEntry(models.Model):
    """Who did what to what, and when. Written in the transaction of the deed, never changed."""

    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="audit_entries")
    action = models.CharField(max_length=64)
    subject_type = models.CharField(max_length=64)
    subject_id = models.CharField(max_length=64)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "audit entries"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["subject_type", "subject_id"], name="audit_subject"),
            models.Index(fields=["created_at"], name="audit_created"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject_type} {self.subject_id}"
