"""Routes of the comparison page and the project pages."""

from django.urls import include, path

from annotation.views import (
    annotate,
    edits_again,
    exchange,
    invitations,
    live,
    progress,
    projects,
    quality_control,
    report_tables,
    reports,
    sensitive,
)

urlpatterns = [
    path("invitations/", invitations.invitations, name="invitations"),
    path("invitations/<int:pk>/revoke/", invitations.invitation_revoke_view, name="invitation-revoke"),
    path("join/", invitations.join, name="join"),
    path("join/<slug:secret>/", invitations.join_by_link, name="join-by-link"),
    path("projects/", projects.project_list, name="projects"),
    path("projects/new/", projects.project_new, name="project-new"),
    path("projects/<slug:slug>/", projects.project_detail, name="project"),
    path("projects/<slug:slug>/settings/", projects.project_settings, name="project-settings"),
    path("projects/<slug:slug>/prompts/", projects.project_prompts, name="project-prompts"),
    path("projects/<slug:slug>/prompts/weights/", live.project_weights, name="prompt-weights"),
    path("projects/<slug:slug>/people/", projects.project_people, name="project-people"),
    path("projects/<slug:slug>/people/<int:pk>/remove/", projects.member_remove, name="member-remove"),
    path("projects/<slug:slug>/flagged/", projects.project_flagged, name="project-flagged"),
    path("projects/<slug:slug>/flagged/<int:pk>/", projects.flag_decide, name="flag-decide"),
    path("projects/<slug:slug>/progress/", progress.project_progress, name="project-progress"),
    path("projects/<slug:slug>/checks/", quality_control.project_checks, name="project-checks"),
    path("projects/<slug:slug>/checks/<int:pk>/", quality_control.check_switch, name="check-switch"),
    path("projects/<slug:slug>/disagreements/", quality_control.project_conflicts, name="project-conflicts"),
    path(
        "projects/<slug:slug>/disagreements/<int:pk>/",
        quality_control.conflict_decide,
        name="conflict-decide",
    ),
    path(
        "projects/<slug:slug>/decisions/<int:pk>/undo/", quality_control.conflict_undo, name="conflict-undo"
    ),
    path("projects/<slug:slug>/annotate/feedback/", quality_control.check_feedback, name="check-feedback"),
    path("projects/<slug:slug>/quality/", reports.project_quality_page, name="project-quality"),
    path("projects/<slug:slug>/quality/edits/", edits_again.edits_lost, name="edits-lost"),
    path(
        "projects/<slug:slug>/quality/edits/<int:pk>/leave-out/",
        edits_again.edit_leave_out,
        name="edit-leave-out",
    ),
    path("projects/<slug:slug>/reports/", reports.project_reports, name="project-reports"),
    path("projects/<slug:slug>/reports/<slug:table>.csv", report_tables.report_csv, name="report-csv"),
    path("projects/<slug:slug>/data/", exchange.exchange, name="project-exchange"),
    path("projects/<slug:slug>/data/count/", exchange.exchange_count, name="project-exchange-count"),
    path("projects/<slug:slug>/data/export/", exchange.exchange_download, name="project-exchange-download"),
    path(
        "projects/<slug:slug>/data/filters/",
        exchange.exchange_filter_save,
        name="project-exchange-filter-save",
    ),
    path(
        "projects/<slug:slug>/data/filters/delete/",
        exchange.exchange_filter_delete,
        name="project-exchange-filter-delete",
    ),
    path("projects/<slug:slug>/data/import/", exchange.exchange_import, name="project-exchange-import"),
    path("projects/<slug:slug>/data/imports/", exchange.exchange_imports, name="project-exchange-imports"),
    path(
        "projects/<slug:slug>/data/imports/<int:pk>/restart/",
        exchange.exchange_import_restart,
        name="project-exchange-import-restart",
    ),
    path("projects/<slug:slug>/annotate/", annotate.annotate, name="annotate"),
    path("projects/<slug:slug>/guidelines/", include("annotation.guideline_urls")),
    path("projects/<slug:slug>/sensitive/", sensitive.sensitive_decide, name="sensitive-decide"),
    path("projects/<slug:slug>/annotate/next/", annotate.annotate_next, name="annotate-next"),
]
