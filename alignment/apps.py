"""The alignment app: rounds and their console."""

from django.apps import AppConfig


class AlignmentConfig(AppConfig):
    """Rounds."""

    name = "alignment"
    verbose_name = "Rounds"
