"""Everything that writes in annotation: each service is one transaction with its audit row."""

from annotation.services.dialogs import dialog_turn
from annotation.services.judging import (
    Verdict,
    comparison_flag,
    comparison_skip,
    flag_resolve,
    judgement_submit,
)
from annotation.services.leasing import comparison_ahead, comparison_create, comparison_next, draft_save
from annotation.services.people import NewAnnotator, annotators_create, membership_set
from annotation.services.preferences import ImportCounts, preferences_import
from annotation.services.projects import project_create
from annotation.services.prompts import PromptCounts, prompts_import
from annotation.services.refining import (
    refinement_ask,
    refinement_cancel,
    refinement_find,
    refinement_run,
)
from annotation.services.releases import (
    deployment_lose,
    project_deploy,
    project_models_release,
    release_cancel,
    release_fail,
    release_go_live,
    release_request,
)
from annotation.services.stock import stock_fill
from annotation.services.turns import (
    pair_run,
    prompt_ask,
    prompt_take,
    request_drop,
    request_retry,
    turn_ask,
    unfinished_requests,
)
from annotation.services.weights import prompt_draw, weights_set

__all__ = [
    "ImportCounts",
    "NewAnnotator",
    "PromptCounts",
    "Verdict",
    "annotators_create",
    "comparison_ahead",
    "comparison_create",
    "comparison_flag",
    "comparison_next",
    "comparison_skip",
    "deployment_lose",
    "dialog_turn",
    "draft_save",
    "flag_resolve",
    "judgement_submit",
    "membership_set",
    "pair_run",
    "preferences_import",
    "project_create",
    "project_deploy",
    "project_models_release",
    "prompt_ask",
    "prompt_draw",
    "prompt_take",
    "prompts_import",
    "refinement_ask",
    "refinement_cancel",
    "refinement_find",
    "refinement_run",
    "release_cancel",
    "release_fail",
    "release_go_live",
    "release_request",
    "request_drop",
    "request_retry",
    "stock_fill",
    "turn_ask",
    "unfinished_requests",
    "weights_set",
]
