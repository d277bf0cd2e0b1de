"""The app of live events: scripts and a template, no tables."""

from django.apps import AppConfig


class LiveConfig(AppConfig):
    """Live events."""

    name = "live"
