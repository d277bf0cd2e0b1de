"""What a checkpoint's model card says, gathered from the rows. Reads only."""

from dataclasses import replace
from typing import Any

from alignment.lineage import Made, made_by_rounds
from alignment.model_card import CardFacts, DataFacts, one_line, public_recipe
from alignment.model_data import snapshot_data
from alignment.models import Round, Stage
from alignment.overrides import round_overrides
from alignment.selectors import quality_report
from annotation.figures.quality import ProjectQuality, project_quality
from registry.models import Checkpoint
from registry.selectors import relatives

Figures = dict[str, Any]  # Any: JSON

PARTS = {
    Stage.Name.REWARD_MODEL: ("snapshot", "reward"),
    Stage.Name.SFT: ("snapshot", "rejection", "quality", "sft"),
    Stage.Name.DPO: ("snapshot", "dpo"),
    Stage.Name.AVERAGING: ("snapshot", "rejection", "quality", "sft", "dpo", "evaluation", "gate"),
}
"""What of the recipe made a stage's models, beside what all training shares."""
SHARED = ("averaging", "precision", "max_row_tokens", "max_tokens_per_microbatch", "lora")
MAX_FIGURES = 40
OF_DATA = ("launch", Stage.Name.DATA_GATE)
"""Where it is overridden that data do not pass."""


def card_facts(checkpoint: Checkpoint) -> CardFacts:
    """Everything recorded about the checkpoint. About twenty statements, fewer outside rounds."""
    made: Made = made_by_rounds({checkpoint.pk})
    round_id, stage_name, name = made.get(checkpoint.pk, (None, None, ""))
    round_ = (
        Round.objects.select_related("project", "base", "snapshot").filter(pk=round_id).first()
        if round_id
        else None
    )
    results: dict[str, Figures] = dict(round_.stages.values_list("name", "result")) if round_ else {}
    is_policy = stage_name == Stage.Name.AVERAGING
    is_reward_model = stage_name == Stage.Name.REWARD_MODEL and name == "average"
    evaluation = results.get(Stage.Name.EVALUATION, {}) if is_policy else {}
    if is_reward_model:
        measured = results.get(Stage.Name.EVALUATION, {})
        evaluation = {key: measured[key] for key in ("reward_model", "calibration") if measured.get(key)}
    base = round_.base if round_ else _base_of(checkpoint)
    return CardFacts(
        name=checkpoint.name,
        kind=checkpoint.kind,
        what=checkpoint.get_kind_display(),
        content_hash=checkpoint.content_hash,
        made=checkpoint.created_at.date().isoformat(),
        licence=checkpoint.licence,
        base=base.name if base else None,
        base_licence=base.licence if base else "",
        round=f"round {round_.number} of the project {round_.project.slug}" if round_ else None,
        recipe_name=str((round_.recipe if round_ else checkpoint.recipe).get("name", "")) or "unnamed",
        recipe=_recipe(checkpoint, round_, stage_name),
        training=_training(checkpoint),
        data=_data_with_agreement(round_, results) if round_ else None,
        evaluation=evaluation,
        gate=results.get(Stage.Name.GATE, {}) if is_policy else {},
        parents=[
            (link.parent.name, link.role, link.parent.content_hash)
            for link in checkpoint.parent_links.select_related("parent").order_by("pk")
        ],
    )


def _base_of(checkpoint: Checkpoint) -> Checkpoint | None:
    """The nearest base model above a checkpoint that no round made."""
    above = relatives({checkpoint.pk}, "parents")
    bases = Checkpoint.objects.filter(pk__in=above, kind=Checkpoint.Kind.BASE)
    return min(bases, key=lambda base: above[base.pk], default=None)


def _recipe(checkpoint: Checkpoint, round_: Round | None, stage: Stage.Name | None) -> Figures:
    if round_ is None or stage not in PARTS:
        return public_recipe(checkpoint.recipe)
    recipe = public_recipe(round_.recipe)
    return {part: recipe[part] for part in (*PARTS[stage], *SHARED) if part in recipe}


def _training(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """Its numbers, nested names joined; texts and lists are left out."""
    rows: list[tuple[str, str]] = []

    def take(values: Figures, prefix: str) -> None:
        for name, value in values.items():
            label = f"{prefix}{name}".replace("_", " ")
            if isinstance(value, dict):
                take(value, f"{label}, ")
            elif isinstance(value, int | float) and not isinstance(value, bool):
                rows.append((label, f"{value:.4g}" if isinstance(value, float) else f"{value:,}"))

    take(checkpoint.metrics, "")
    return rows[:MAX_FIGURES]


def _data_with_agreement(round_: Round, results: dict[str, Figures]) -> DataFacts | None:
    if getattr(round_, "snapshot", None) is None:
        return None
    quality = project_quality(round_.project, patient=True)
    agreement = _agreement(quality) if isinstance(quality, ProjectQuality) else None
    found = round_data(round_, results, quality_report(round_) or {}, agreement)
    overridden = [
        f"It did not pass the data gate ({one_line(' '.join(each.problems))}) and was trained on all the "
        f"same, with this reason: {one_line(each.reason)}"
        for each in round_overrides(round_)
        if each.stage in OF_DATA
    ]
    return None if found is None else replace(found, overridden=overridden)


def round_data(
    round_: Round, results: dict[str, Figures], control: Figures, agreement: Figures | None = None
) -> DataFacts | None:
    """What the round learned from; None before its snapshot. One statement.

    `results` are its stages', `control` that of its examples' quality control, empty before there is one.
    """
    snapshot = getattr(round_, "snapshot", None)
    if snapshot is None:
        return None
    counted = snapshot_data(snapshot)
    return DataFacts(
        content_hash=snapshot.content_hash,
        num_train=snapshot.num_train,
        num_holdout=snapshot.num_holdout,
        num_newest=snapshot.num_newest,
        dropped=snapshot.dropped,
        num_annotators=len(counted.by_annotator),
        languages=counted.by_language,
        domains=counted.by_domain,
        strengths=counted.by_strength,
        agreement=agreement,
        examples=results.get(Stage.Name.SFT, {}).get("examples", {}),
        dropped_examples=[(step["name"], step["dropped"]) for step in control.get("steps", [])],
        overridden=[],
        licence=round_.project.licence,
    )


def _agreement(found: ProjectQuality) -> Figures | None:
    overall = found.figures.overall
    if overall.side is None:
        return None
    return {
        "alpha": overall.side.value,
        "low": overall.side.low,
        "high": overall.side.high,
        "num_shared": overall.num_shared,
        "same_side": overall.same_side,
    }
