#!/usr/bin/env python
"""Django's command line for Accord: `python manage.py help` lists the commands."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "platform"))

from django.core.management import execute_from_command_line

from accord.env import settings_module_default

if __name__ == "__main__":
    settings_module_default()
    execute_from_command_line(sys.argv)
