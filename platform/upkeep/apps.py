"""The upkeep app: commands, no tables."""

from django.apps import AppConfig


class UpkeepConfig(AppConfig):
    """Upkeep."""

    name = "upkeep"
