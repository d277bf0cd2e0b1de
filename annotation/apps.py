"""The annotation app: projects, prompts, comparisons, judgements."""

from django.apps import AppConfig


class AnnotationConfig(AppConfig):
    """People's judgements."""

    name = "annotation"
    verbose_name = "Annotation"
