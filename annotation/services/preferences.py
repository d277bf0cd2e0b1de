"""Writing imported preference records: in bulk, and never the same one twice.

A record is known by its id. Where the id belongs to other content (two sets that both count from 1), the
record gets an id of its own, made of both. Judgements of one and the same pair by several people meet in
one comparison; a second one by the same person gets a comparison of its own.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import audit_record
from annotation.importing.fields import content_digest
from annotation.importing.preferences import Format, ReadRecord
from annotation.importing.refusal import Reason, Refusal
from annotation.models import Comparison, Dialog, Edit, Judgement, Project, Prompt, Response, Side
from annotation.privacy import Kind
from annotation.records import PreferenceRecord, RankedResponse
from annotation.selectors import records_by_id
from annotation.services.masking import record_masked
from annotation.services.planner_statistics import statistics_refresh

BATCH = 1000
FILLED = (Prompt, Dialog, Response, Comparison, Judgement, Edit)
Named = tuple[str, PreferenceRecord]


@dataclass(kw_only=True)
class ImportCounts:
    """What became of a file's rows."""

    read: int = 0
    kept: int = 0
    already_there: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    formats: Counter[Format] = field(default_factory=Counter)
    masked: Counter[Kind] = field(default_factory=Counter)
    """Pieces of personal data, of the kept records and of those already there."""

    def as_json(self) -> dict[str, object]:
        """For the audit log."""
        return {
            "read": self.read,
            "kept": self.kept,
            "already_there": self.already_there,
            "refused": {reason.value: number for reason, number in self.refused.items()},
            "formats": {format_.value: number for format_, number in self.formats.items()},
            **(
                {"masked": {kind.value: number for kind, number in self.masked.items()}}
                if self.masked
                else {}
            ),
        }


@dataclass(kw_only=True)
class _Place:
    """A comparison that imported judgements go to, and who has judged it."""

    comparison: Comparison
    judged_by: set[int]


def preferences_import(
    project: Project,
    rows: Iterable[ReadRecord | Refusal],
    *,
    round_number: int | None = None,
    on_refusal: Callable[[Refusal], None] | None = None,
    actor: User | None = None,
) -> ImportCounts:
    """Write the records of `rows`, batch by batch; `round_number` stands in place of the records' own.

    What a crash leaves undone, the same import repeated adds.
    """
    counts = ImportCounts()
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        counts.read += len(batch)
        records: list[PreferenceRecord] = []
        for row in batch:
            if isinstance(row, Refusal):
                counts.refused[row.reason] += 1
                if on_refusal is not None:
                    on_refusal(row)
                continue
            counts.formats[row.format] += 1
            record = row.record
            if project.mask_personal_data:
                record = record_masked(record, counts.masked)
            records.append(
                record if round_number is None else record.model_copy(update={"round": round_number})
            )
        kept = _write_batch(project, records)
        counts.kept += kept
        counts.already_there += len(records) - kept
    statistics_refresh(FILLED, num_rows=counts.kept)
    audit_record(actor, "preferences.import", project, counts.as_json())
    return counts


def _write_batch(project: Project, records: Sequence[PreferenceRecord]) -> int:
    """Write those that are not there yet, in one transaction; how many they are."""
    with transaction.atomic():
        # Two imports at once would not see each other's records. Annotators are not held up by this lock.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        named = _new_ones(project, records)
        if not named:
            return 0
        annotators = _annotators({record.annotator for _, record in named})
        prompts = _prompts(project, [record for _, record in named])
        comparisons = _comparisons(project, named, annotators, prompts)
        judgements = Judgement.objects.bulk_create(
            _judgement(project, record_id, record, comparison, annotators[record.annotator])
            for (record_id, record), comparison in zip(named, comparisons, strict=True)
        )
        Edit.objects.bulk_create(
            Edit(
                judgement=judgement, content=record.responses[0].content, model_name=record.responses[0].model
            )
            for (_, record), judgement in zip(named, judgements, strict=True)
            if record.responses[0].origin == "edited"
        )
    return len(named)


def _new_ones(project: Project, records: Sequence[PreferenceRecord]) -> list[Named]:
    """The records that are not there yet, each with the id it gets."""
    own_ids = [f"{record.id}#{content_digest(*_content(record))[:8]}" for record in records]
    there = records_by_id(project, {record.id for record in records} | set(own_ids))
    named: list[Named] = []
    for record, own_id in zip(records, own_ids, strict=True):
        same_id = there.get(record.id)
        if own_id in there or (same_id is not None and _content(same_id) == _content(record)):
            continue
        record_id = record.id if same_id is None else own_id
        there[record_id] = record
        named.append((record_id, record))
    return named


def _content(record: PreferenceRecord) -> tuple[object, ...]:
    """What makes a record the same judgement, whatever its id, round and time."""
    return (
        [[message.role, message.content] for message in record.context],
        [
            [response.content, response.model, response.origin, *_called(response)]
            for response in record.responses
        ],
        record.strength.value,
        record.annotator,
    )


def _called(response: RankedResponse) -> list[str]:
    """What a call of a tool has more in its digest: other responses keep theirs."""
    return ["tool_call"] if response.tool_call else []


def _annotators(pseudonyms: set[str]) -> dict[str, User]:
    """The people of these pseudonyms; unknown ones get an account that nobody can use."""
    found = {user.pseudonym: user for user in User.objects.filter(pseudonym__in=pseudonyms)}
    made = User.objects.bulk_create(
        User(
            username=f"imported-{pseudonym}",
            pseudonym=pseudonym,
            is_active=False,
            password=make_password(None),
        )
        for pseudonym in sorted(pseudonyms - found.keys())
    )
    return found | {user.pseudonym: user for user in made}


def _prompts(project: Project, records: Sequence[PreferenceRecord]) -> dict[str, Prompt]:
    """The prompts behind the records, made where they are not there, by their names."""
    wanted = {_prompt_name(record): record for record in records}
    found = {
        prompt.external_id: prompt
        for prompt in Prompt.objects.filter(project=project, external_id__in=wanted)
    }
    made = Prompt.objects.bulk_create(
        Prompt(
            project=project,
            external_id=name,
            domain=record.domain,
            language=record.language,
            context=[message.model_dump() for message in record.context],
        )
        for name, record in wanted.items()
        if name not in found
    )
    return found | {prompt.external_id: prompt for prompt in made}


def _prompt_name(record: PreferenceRecord) -> str:
    messages = [message.model_dump() for message in record.context]
    return f"imported-{content_digest(messages, record.domain, record.language)}"


def _comparisons(
    project: Project, named: Sequence[Named], annotators: dict[str, User], prompts: dict[str, Prompt]
) -> list[Comparison]:
    """Each record's comparison, found or made, with its counters brought up to date."""
    places: dict[str, list[_Place]] = defaultdict(list)
    keys = [_import_key(record) for _, record in named]
    for comparison in (
        Comparison.objects.filter(project=project, import_key__in=set(keys))
        # Not joined: right after a large import the planner knows no sizes, and a join took minutes.
        .prefetch_related("left", "right", "judgements")
        .order_by("pk")
    ):
        judged_by = {judgement.annotator_id for judgement in comparison.judgements.all()}
        places[comparison.import_key].append(_Place(comparison=comparison, judged_by=judged_by))
    taken: list[Comparison] = []
    for key, (_, record) in zip(keys, named, strict=True):
        annotator = annotators[record.annotator]
        place = next((place for place in places[key] if annotator.pk not in place.judged_by), None)
        if place is None:
            comparison = _comparison(project, record, key, prompts[_prompt_name(record)])
            place = _Place(comparison=comparison, judged_by=set())
            places[key].append(place)
        place.judged_by.add(annotator.pk)
        place.comparison.num_judgements += 1
        place.comparison.needed = max(place.comparison.needed, place.comparison.num_judgements)
        taken.append(place.comparison)
    _save_comparisons(list({id(comparison): comparison for comparison in taken}.values()))
    return taken


def _import_key(record: PreferenceRecord) -> str:
    """The same for judgements of the same two responses to the same context in the same round."""
    pair = sorted(
        [response.content, response.model, *_called(response)] for response in record.responses[-2:]
    )
    return content_digest(_prompt_name(record), record.round, pair)


def _comparison(project: Project, record: PreferenceRecord, key: str, prompt: Prompt) -> Comparison:
    """An unsaved comparison of the record's two responses, on sides that say nothing about who won."""
    left, right = sorted(
        record.responses[-2:],
        key=lambda response: content_digest(key, response.content, *_called(response)),
    )
    return Comparison(
        project=project,
        dialog=Dialog(project=project, prompt=prompt),
        round=record.round,
        context=prompt.context,
        left=_response(project, left),
        right=_response(project, right),
        state=Comparison.State.FULL,
        import_key=key,
    )


def _response(project: Project, response: RankedResponse) -> Response:
    return Response(
        project=project,
        content=response.content,
        tool_call=response.tool_call,
        model_name=response.model,
    )


def _save_comparisons(comparisons: Sequence[Comparison]) -> None:
    new = [comparison for comparison in comparisons if comparison.pk is None]
    Dialog.objects.bulk_create(comparison.dialog for comparison in new)
    Response.objects.bulk_create(
        response for comparison in new for response in (comparison.left, comparison.right)
    )
    Comparison.objects.bulk_create(new)
    made = {id(comparison) for comparison in new}
    Comparison.objects.bulk_update(
        [comparison for comparison in comparisons if id(comparison) not in made],
        ["num_judgements", "needed"],
    )


def _judgement(
    project: Project, record_id: str, record: PreferenceRecord, comparison: Comparison, annotator: User
) -> Judgement:
    chosen, rejected = record.responses[-2:]
    is_left = (comparison.left.content, comparison.left.tool_call) == (chosen.content, chosen.tool_call)
    left, right = (chosen, rejected) if is_left else (rejected, chosen)
    is_unsafe = left.safety or right.safety
    return Judgement(
        comparison=comparison,
        annotator=annotator,
        preferred=Side.LEFT if is_left else Side.RIGHT,
        safety={"left": list(left.safety), "right": list(right.safety)} if is_unsafe else {},
        strength=record.strength,
        idempotency_key=f"import/{project.slug}/{record_id}",
        record_id=record_id,
        created_at=_time(record.created),
    )


def _time(created: str) -> datetime:
    if not created:
        return timezone.now()
    time = datetime.fromisoformat(created)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
