"""The reviewing app: samples of curated documents, people's verdicts on them, and what follows."""

from django.apps import AppConfig


class ReviewingConfig(AppConfig):
    """Reviews of documents."""

    name = "reviewing"
    verbose_name = "Reviews of documents"
