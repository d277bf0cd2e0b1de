"""The web app: what all pages share."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Templates, static files, Markdown, login, errors and health."""

    name = "web"
