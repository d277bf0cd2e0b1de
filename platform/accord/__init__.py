"""The Django project: settings, routes, Celery. Everything it wires up lives in the apps."""

from accord.celery import app as celery_app

__all__ = ["celery_app"]
