"""Brings the database up to date and makes the first admin, in one start of Django.

    python -m deploy.local.prepare

The admin's password is made up, written to `var/admin_password` for its owner alone, and printed. When
an admin exists nothing is made and nothing printed.
"""

import os
import secrets
import sys
from pathlib import Path

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command

from accord.env import settings_module_default

ADMIN = "admin"


def admin_create() -> str | None:
    """Make the first admin; returns the password, or None if there is an admin already."""
    user_model = get_user_model()
    if user_model.objects.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    path = settings.ACCORD_VAR / "admin_password"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(f"{password}\n")
    user_model.objects.create_superuser(ADMIN, password=password)
    return password


def main() -> None:
    """Migrate, then see to the admin."""
    settings_module_default()
    django.setup()
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)  # WhiteNoise warns of its absence
    call_command("migrate", interactive=False, verbosity=0)
    password = admin_create()
    if password is not None:
        sys.stdout.write(f"{password}\n")


if __name__ == "__main__":
    main()
