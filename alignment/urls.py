"""Routes of the pages of rounds and models, and of one's own work."""

from django.urls import path

from alignment import (
    compare_views,
    control_views,
    deployment_views,
    erasing_views,
    gate_views,
    member_views,
    model_views,
    own_work_views,
    token_views,
    views,
)

urlpatterns = [
    path("rounds/", views.round_list, name="rounds"),
    path("rounds/new/", views.round_new, name="round-new"),
    path("rounds/<int:pk>/", views.round_detail, name="round"),
    path("rounds/<int:pk>/cancel/", views.round_cancel_view, name="round-cancel"),
    path("rounds/<int:pk>/pause/", control_views.round_pause_view, name="round-pause"),
    path("rounds/<int:pk>/resume/", control_views.round_resume_view, name="round-resume"),
    path("rounds/<int:pk>/retry/", control_views.round_retry_view, name="round-retry"),
    path("rounds/<int:pk>/rerun/", control_views.round_rerun_view, name="round-rerun"),
    path("stages/<int:pk>/retry/", views.stage_retry_view, name="stage-retry"),
    path("stages/<int:pk>/gate/", views.gate_decide_view, name="gate-decide"),
    path("stages/<int:pk>/pairs/", gate_views.gate_pairs, name="gate-pairs"),
    path("pairs/<int:pk>/", gate_views.gate_pair_decide_view, name="gate-pair-decide"),
    path("programs/<int:pk>/", views.program_detail, name="program"),
    path("programs/<int:pk>/tokens/", token_views.program_tokens, name="program-tokens"),
    path("work/", own_work_views.own_work_page, name="own-work"),
    path("work/<slug:slug>/", own_work_views.own_judgements_page, name="own-judgements"),
    path("erase/", erasing_views.erase, name="erase"),
    path("projects/<slug:slug>/people/<int:pk>/", member_views.member, name="member"),
    path("projects/<slug:slug>/people/<int:pk>/act/", member_views.member_act, name="member-act"),
    path("models/compare/", compare_views.models_compare, name="models-compare"),
    path("compared/<int:pk>/", compare_views.model_comparison_progress, name="model-comparison"),
    path("compared/<int:pk>/cancel/", compare_views.model_comparison_stop, name="model-comparison-cancel"),
    path("models/", model_views.model_list, name="models"),
    path("models/<int:pk>/card/", model_views.model_card_page, name="model-card"),
    path("models/<int:pk>/licence/", model_views.model_licence, name="model-licence"),
    path("models/<int:pk>/", model_views.model_detail, name="model"),
    path("projects/<slug:slug>/deployments/", deployment_views.deployments, name="deployments"),
    path("projects/<slug:slug>/deployments/act/", deployment_views.deployments_act, name="deployments-act"),
    path("models/<int:pk>/tokens/", token_views.model_tokens, name="model-tokens"),
]
