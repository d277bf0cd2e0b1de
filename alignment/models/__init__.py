"""A round is rows: the round, its stages, each stage's programs, and the snapshot it trained on."""

from alignment.models.program import Program
from alignment.models.round import Round, Snapshot, Stage

__all__ = ["Program", "Round", "Snapshot", "Stage"]
