"""The annotation tables, by noun: projects, prompts, comparisons, judgements."""

from annotation.models.comparison import Comparison, Response
from annotation.models.exchange import ImportJob, SavedFilter
from annotation.models.judgement import Assignment, Edit, Flag, Judgement, Side
from annotation.models.live import PairRequest, PromptWeight, Refinement, Wait
from annotation.models.project import Membership, Project
from annotation.models.prompt import Dialog, Prompt

__all__ = [
    "Assignment",
    "Comparison",
    "Dialog",
    "Edit",
    "Flag",
    "ImportJob",
    "Judgement",
    "Membership",
    "PairRequest",
    "Project",
    "Prompt",
    "PromptWeight",
    "Refinement",
    "Response",
    "SavedFilter",
    "Side",
    "Wait",
]
