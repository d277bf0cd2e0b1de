"""The webhooks app: who wants to be told of what happens here, and the deliveries to them."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Webhooks."""

    name = "webhooks"
    verbose_name = "Webhooks"
