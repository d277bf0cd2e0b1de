"""Routes of document reviews, below a project."""

from django.urls import path

from reviewing import import_views, views

DOCUMENTS = "projects/<slug:slug>/documents/"
READ = f"{DOCUMENTS}<int:pk>/read/"

urlpatterns = [
    path(DOCUMENTS, views.review_list, name="document-reviews"),
    path(f"{DOCUMENTS}import/", import_views.review_import, name="document-review-import"),
    path(f"{DOCUMENTS}imports/", import_views.review_imports, name="document-review-imports"),
    path(
        f"{DOCUMENTS}imports/<int:pk>/restart/",
        import_views.review_import_restart,
        name="document-review-import-restart",
    ),
    path(f"{DOCUMENTS}<int:pk>/", views.review_results, name="document-review"),
    path(f"{DOCUMENTS}<int:pk>/open/", views.review_open, name="document-review-open"),
    path(f"{DOCUMENTS}<int:pk>/recipe.json", views.review_recipe, name="document-review-recipe"),
    path(f"{DOCUMENTS}<int:pk>/labels.jsonl", views.review_labels, name="document-review-labels"),
    path(READ, views.review_read, name="document-review-read"),
    path(f"{READ}<int:document>/", views.review_judge, name="document-review-judge"),
    path(f"{READ}<int:document>/take-back/", views.review_take_back, name="document-review-take-back"),
    path(f"{READ}<int:document>/reveal/", views.review_reveal, name="document-review-reveal"),
]
