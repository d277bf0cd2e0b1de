"""Routes of the comparison page and the project pages."""

from django.urls import path

from annotation.views import annotate, progress, projects, reports

urlpatterns = [
    path("projects/", projects.project_list, name="projects"),
    path("projects/new/", projects.project_new, name="project-new"),
    path("projects/<slug:slug>/", projects.project_detail, name="project"),
    path("projects/<slug:slug>/settings/", projects.project_settings, name="project-settings"),
    path("projects/<slug:slug>/prompts/", projects.project_prompts, name="project-prompts"),
    path("projects/<slug:slug>/people/", projects.project_people, name="project-people"),
    path("projects/<slug:slug>/people/<int:pk>/remove/", projects.member_remove, name="member-remove"),
    path("projects/<slug:slug>/flagged/", projects.project_flagged, name="project-flagged"),
    path("projects/<slug:slug>/flagged/<int:pk>/", projects.flag_decide, name="flag-decide"),
    path("projects/<slug:slug>/progress/", progress.project_progress, name="project-progress"),
    path("projects/<slug:slug>/quality/", reports.project_quality_page, name="project-quality"),
    path("projects/<slug:slug>/reports/", reports.project_reports, name="project-reports"),
    path("projects/<slug:slug>/annotate/", annotate.annotate, name="annotate"),
    path("projects/<slug:slug>/annotate/next/", annotate.annotate_next, name="annotate-next"),
]
