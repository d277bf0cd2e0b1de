"""The events that other programs may be told of, and what each tells. Pure.

No event names a model. Texts of people are sent only to endpoints that ask for them, under "texts".
"""

from enum import StrEnum


class Event(StrEnum):
    """What happened."""

    PING = "ping"
    JUDGEMENT_SUBMITTED = "judgement.submitted"
    COMPARISON_FLAGGED = "comparison.flagged"
    ROUND_FINISHED = "round.finished"
    ROUND_FAILED = "round.failed"
    GATE_WAITING = "gate.waiting"
    ROUND_STUCK = "round.stuck"
    DISK_LOW = "disk.low"
    DEPLOY_FINISHED = "deploy.finished"
    DEPLOY_FAILED = "deploy.failed"
    DEPLOY_ROLLED_BACK = "deploy.rolled_back"
    EXPORT_READY = "export.ready"


CONTENTS = {
    Event.PING: "endpoint; sent by hand, for a try",
    Event.JUDGEMENT_SUBMITTED: "project, comparison, judgement, round, preferred, strength, edited; "
    "texts: comment, edit",
    Event.COMPARISON_FLAGGED: "project, comparison, reason; texts: comment",
    Event.ROUND_FINISHED: "project, round, number",
    Event.ROUND_FAILED: "project, round, number, stage; texts: error",
    Event.GATE_WAITING: "project, round, number, stage",
    Event.ROUND_STUCK: "project, round, number, stage",
    Event.DISK_LOW: "free_gib, free_percent; of no project, so only for endpoints of all",
    Event.DEPLOY_FINISHED: "project, release, made_by_round",
    Event.DEPLOY_FAILED: "project, release, made_by_round; texts: error",
    Event.DEPLOY_ROLLED_BACK: "project, release, made_by_round",
    Event.EXPORT_READY: "project, format, encoding, judgements, rows, files (name, bytes, sha256)",
}
"""The fields of each event's data."""

CHOOSABLE = tuple(event for event in Event if event is not Event.PING)

MAILED = (
    Event.ROUND_FINISHED,
    Event.ROUND_FAILED,
    Event.ROUND_STUCK,
    Event.GATE_WAITING,
    Event.DEPLOY_FINISHED,
    Event.DEPLOY_FAILED,
    Event.DEPLOY_ROLLED_BACK,
    Event.DISK_LOW,
)
"""Those that an admin may be told of by e-mail."""
