"""People, the tokens their programs carry, and the audit log of everything that was written."""

import secrets
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
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


class Scope(models.TextChoices):
    """What a token is for: it may do what its owner may do, and of that only what its scopes name."""

    READ = "read", _("Read")
    ANNOTATE = "annotate", _("Annotate")
    MANAGE = "manage", _("Manage")


def every_scope() -> str:
    """All scopes, as `ApiToken.scopes` has them."""
    return " ".join(Scope.values)


class ApiToken(models.Model):
    """A secret that a program shows in place of a password. Only its SHA-256 is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=16)
    scopes = models.CharField(max_length=100, default=every_scope, db_default="read annotate manage")
    """Names of `Scope` with a space between, as OAuth 2.0 writes them (RFC 6749, section 3.3)."""
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def scope_labels(self) -> list[str]:
        """What the scopes are called on pages."""
        return [str(Scope(name).label) for name in self.scopes.split()]


class TransactionField(models.Field):  # type: ignore[type-arg]  # not generic at run time
    """The number of a database transaction, which never comes round again: PostgreSQL's xid8."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """The column's type."""
        return "xid8"


class AuditEntry(models.Model):
    """Who did what to what, and when. Written in the transaction of the deed, never changed.

    The database refuses changes and deletions; `accounts.audit` links the entries into a chain of hashes.
    """

    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="audit_entries")
    action = models.CharField(max_length=64)
    subject_type = models.CharField(max_length=64)
    subject_id = models.CharField(max_length=64)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    transaction = TransactionField(
        null=True,
        editable=False,
        db_default=models.Func(function="pg_current_xact_id", output_field=TransactionField()),
        help_text="What wrote it: what is older than every running transaction, no entry can come before.",
    )

    class Meta:
        verbose_name_plural = "audit entries"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["transaction", "id"], name="audit_transaction"),
            models.Index(fields=["subject_type", "subject_id"], name="audit_subject"),
            models.Index(fields=["created_at"], name="audit_created"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject_type} {self.subject_id}"


class AuditSeal(models.Model):
    """An entry's link of the chain (`accounts.audit.chain`)."""

    position = models.BigIntegerField(primary_key=True, help_text="Places in the chain count from 1.")
    # Without a constraint: checking it would lock, and so rewrite, every entry once more.
    entry = models.OneToOneField(
        AuditEntry, on_delete=models.DO_NOTHING, db_constraint=False, related_name="seal"
    )
    salt = models.CharField(max_length=32, blank=True, help_text="Empty: the entry's data was redacted.")
    digest = models.CharField(max_length=64, help_text="Of the salt and the entry's data.")
    hash = models.CharField(max_length=64, help_text="Of the entry, the digest and the hash before.")

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"


class AuditChain(models.Model):
    """How far the chain is, in one row."""

    cluster = models.CharField(
        max_length=32, blank=True, help_text="The database server that numbered the transactions."
    )
    horizon = TransactionField(null=True, help_text="Every entry of an older transaction is in the chain.")
    verified_at = models.DateTimeField(null=True)
    verified_position = models.BigIntegerField(default=0)
    problem = models.TextField(blank=True, help_text="What the last verification found broken.")

    def __str__(self) -> str:
        return f"chain up to transaction {self.horizon}"
