"""Routes of the guidelines, below a project's address."""

from django.urls import path

from annotation.views import guidelines

urlpatterns = [
    path("", guidelines.guidelines_panel, name="guidelines-panel"),
    path("read/", guidelines.guidelines_seen, name="guidelines-seen"),
    path("history/", guidelines.guidelines_history, name="guidelines-history"),
    path("examples/", guidelines.guideline_example_list, name="guideline-examples"),
    path("examples/<int:pk>/", guidelines.guideline_example_edit, name="guideline-example"),
    path("examples/<int:pk>/delete/", guidelines.guideline_example_remove, name="guideline-example-delete"),
]
