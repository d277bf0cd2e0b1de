"""Takes an empty database to the state of the previous release: `python -m tests.upgrade.at_release`."""

import django
from django.core.management import call_command

from accord.env import settings_module_default
from tests.upgrade.releases import MIGRATIONS


def main() -> None:
    """Migrate each app as far as that release was, and Django's own wholly."""
    settings_module_default()
    django.setup()
    for app in ("contenttypes", "auth", "sessions"):
        call_command("migrate", app, interactive=False, verbosity=0)
    for app, name in MIGRATIONS.items():
        call_command("migrate", app, name, interactive=False, verbosity=0)
    call_command("migrate", "admin", interactive=False, verbosity=0)


if __name__ == "__main__":
    main()
