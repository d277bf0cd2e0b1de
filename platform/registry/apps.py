"""The registry app: checkpoints and deployments."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """Checkpoints and deployments."""

    name = "registry"
    verbose_name = "Models"
