"""The annotation tables, by noun: projects, prompts, comparisons, judgements."""

from annotation.models.checks import Check
from annotation.models.comparison import Comparison, Response
from annotation.models.exchange import ImportJob, SavedFilter
from annotation.models.guidelines import GuidelineExample, GuidelinesVersion
from annotation.models.invitations import Invitation
from annotation.models.judgement import Assignment, Edit, Flag, Judgement, Side
from annotation.models.live import PairRequest, PromptWeight, Refinement, Wait
from annotation.models.project import Membership, OverlapMode, Project
from annotation.models.prompt import Dialog, Prompt
from annotation.models.release import Release

__all__ = [
    "Assignment",
    "Check",
    "Comparison",
    "Dialog",
    "Edit",
    "Flag",
    "GuidelineExample",
    "GuidelinesVersion",
    "ImportJob",
    "Invitation",
    "Judgement",
    "Membership",
    "OverlapMode",
    "PairRequest",
    "Project",
    "Prompt",
    "PromptWeight",
    "Refinement",
    "Release",
    "Response",
    "SavedFilter",
    "Side",
    "Wait",
]
