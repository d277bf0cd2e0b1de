"""A checkpoint's model card: Markdown with the metadata of a Hugging Face card on top.

Pure: facts in, text out. Nothing private goes in: people are counted and not named, prompts and answers are
not quoted. In English whatever the interface's language, as cards are read elsewhere.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Figures = Mapping[str, Any]  # Any: figures of a stage's JSON
Rows = Sequence[Sequence[str]]

NOT_STATED = "not stated"
PLACE = re.compile(r"\[\d+\]")
"""A variant's place in a setting's name."""
LEAST_HELD_OUT = 100
"""Fewer held-out judgements make a reward model's accuracy a rough guess."""


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """The snapshot that a round trained on."""

    content_hash: str
    num_train: int
    num_holdout: int
    num_newest: int
    dropped: Mapping[str, int]
    """How many judgements were left out, by reason."""
    num_annotators: int
    languages: Sequence[tuple[str, int]]
    domains: Sequence[tuple[str, int]]
    strengths: Sequence[tuple[str, int]]
    agreement: Figures | None
    """{"alpha", "low", "high", "num_shared", "same_side"} of the project's judgements to date."""
    examples: Mapping[str, int]
    """SFT examples by source."""
    dropped_examples: Sequence[tuple[str, Mapping[str, int]]]
    """What each step of quality control left out, by reason."""
    overridden: Sequence[str]
    """Where it did not pass the data gate: what was found and why it was trained on all the same."""
    licence: str


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """All that a card says."""

    name: str
    kind: str
    """As Checkpoint.Kind's value."""
    what: str
    """The kind in words."""
    content_hash: str
    made: str
    """The day."""
    licence: str
    base: str | None
    """The base model's name; None for a base model itself."""
    base_licence: str
    round: str | None
    """Project and number; None for a model from outside rounds."""
    recipe_name: str
    recipe: Figures
    """Without what is private: see `public_recipe`."""
    training: Sequence[tuple[str, str]]
    """Figures of its training."""
    data: DataFacts | None
    evaluation: Figures
    """The evaluation stage's result, where this checkpoint was what was evaluated; else empty."""
    gate: Figures
    parents: Sequence[tuple[str, str, str]]
    """Name, part and hash of each direct parent."""
    notes: Sequence[str] = field(default=())
    """Further limits, a sentence each."""


def model_card(facts: CardFacts) -> str:
    """The whole card."""
    parts = [
        front_matter(facts),
        f"# {facts.name}",
        introduction(facts),
        *section("Data", data_part(facts.data) if facts.data else ""),
        *section("Evaluation", evaluation_part(facts)),
        *section("Limits", "\n".join(f"- {limit}" for limit in limits(facts))),
        *section("Licence", licence_part(facts)),
        *section("Lineage", lineage_part(facts)),
        *section("Training", table(("figure", "value"), facts.training) if facts.training else ""),
        *section("Recipe", recipe_part(facts)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def front_matter(facts: CardFacts) -> str:
    """The card's metadata as YAML: each value as JSON, which YAML reads."""
    is_reward_model = facts.kind == "reward_model"
    values: dict[str, Any] = {  # Any: JSON
        "license": facts.licence.lower() or "unknown",
        "library_name": "transformers",
        "pipeline_tag": "text-classification" if is_reward_model else "text-generation",
        "tags": ["accord", facts.kind.replace("_", "-"), *([] if facts.base is None else ["preferences"])],
    }
    if facts.base:
        values["base_model"] = facts.base
    if facts.data and facts.data.languages:
        values["language"] = [name for name, _ in facts.data.languages]
    metrics = card_metrics(facts)
    if metrics:
        values["model-index"] = [
            {
                "name": facts.name,
                "results": [
                    {
                        "task": {"type": values["pipeline_tag"]},
                        "dataset": {"name": "held out from the round's own data", "type": "private"},
                        "metrics": metrics,
                    }
                ],
            }
        ]
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    return "\n".join(["---", *lines, "---"])


def card_metrics(facts: CardFacts) -> list[dict[str, Any]]:  # Any: JSON
    """The figures of the metadata."""
    found = []
    accuracy = facts.evaluation.get("reward_model")
    if accuracy and facts.kind == "reward_model":
        found.append(
            {"type": "accuracy", "name": "held-out judgements", "value": round(accuracy["accuracy"], 4)}
        )
    for whose, rates in win_rates(facts):
        found += [
            {"type": "win_rate", "name": f"over the {other}, by {whose}", "value": round(rate["value"], 4)}
            for other, rate in rates.items()
        ]
    return found


def introduction(facts: CardFacts) -> str:
    """What it is, in a few sentences."""
    origin = f", made by {facts.round}" if facts.round else ""
    start = f" It descends from the base model {facts.base}." if facts.base else ""
    use = (
        " It gives an answer to a dialog one number, a reward: higher where people would prefer it."
        if facts.kind == "reward_model"
        else ""
    )
    return (
        f"{facts.what.capitalize()}{origin} on {facts.made}.{start}{use} "
        f"Content hash `{facts.content_hash}`. This card was written by Accord from what is recorded."
    )


def data_part(data: DataFacts) -> str:
    """What it learned from."""
    people = "One person" if data.num_annotators == 1 else f"{data.num_annotators:,} people"
    parts = [
        f"People's judgements of pairs of answers: {data.num_train:,} train, {data.num_holdout:,} are held "
        f"out by prompt, {data.num_newest:,} are of the newest round. {people} judged. "
        f"Snapshot `{data.content_hash}`.",
        agreement_sentence(data.agreement),
        *data.overridden,
    ]
    for title, rows in (("domain", data.domains), ("language", data.languages), ("grade", data.strengths)):
        if rows:
            parts.append(
                table((title, "judgements"), [(words(name), f"{number:,}") for name, number in rows])
            )
    if data.dropped:
        parts.append(
            table(
                ("judgements left out because of", "number"),
                [(words(reason), f"{number:,}") for reason, number in frequent_first(data.dropped)],
            )
        )
    if data.examples:
        named = ", ".join(
            f"{number:,} from {words(source)}" for source, number in frequent_first(data.examples)
        )
        parts.append(f"Examples of supervised finetuning: {named}.")
    steps = [
        (step, words(reason), f"{number:,}")
        for step, reasons in data.dropped_examples
        for reason, number in frequent_first(reasons)
    ]
    if steps:
        parts.append(table(("quality control", "left out because of", "examples"), steps))
    return "\n\n".join(part for part in parts if part)


def agreement_sentence(agreement: Figures | None) -> str:
    """How people agree, in a sentence."""
    if not agreement or agreement.get("alpha") is None:
        return "How far people agree is unknown: too few comparisons were judged by several of them."
    between = (
        f" (95% interval {agreement['low']:.2f} to {agreement['high']:.2f})"
        if agreement["low"] is not None
        else ""
    )
    return (
        f"Of the project's judgements to date, on {agreement['num_shared']:,} comparisons that several "
        f"people judged, Krippendorff's α of the preferred side is {agreement['alpha']:.2f}{between}."
    )


def recipe_part(facts: CardFacts) -> str:
    """Every number that decided what was done."""
    if not facts.recipe:
        return ""
    values: dict[str, list[str]] = {}
    for name, value in flat(facts.recipe):
        values.setdefault(PLACE.sub("", name), []).append(value)
    rows = [(name, "`" + "` `".join(dict.fromkeys(found)) + "`") for name, found in values.items()]
    has_variants = any(len(set(found)) > 1 for found in values.values())
    several = " Where variants differ, a setting has the value of each." if has_variants else ""
    return f"The recipe is called {facts.recipe_name}.{several}\n\n" + table(("setting", "value"), rows)


def evaluation_part(facts: CardFacts) -> str:
    """What was measured, by whom, how surely."""
    rows = []
    for whose, rates in win_rates(facts):
        for other, rate in rates.items():
            rows.append((f"win rate over the {other}", whose, *interval(rate), f"{rate['comparisons']:,}"))
            equal = rate.get("length_controlled")
            if equal:
                rows.append((f"… if answers were as long as the {other}'s", whose, *interval(equal), ""))
    accuracy = facts.evaluation.get("reward_model")
    if accuracy:
        rows.append(
            (
                "the round's reward model agrees with held-out judgements",
                "people",
                f"{100 * accuracy['accuracy']:.1f}%",
                f"{100 * accuracy['low']:.1f}% to {100 * accuracy['high']:.1f}%",
                f"{accuracy['num_pairs']:,}",
            )
        )
    parts = []
    if rows:
        parts.append(table(("what", "judged by", "value", "95% interval", "comparisons"), rows))
    moved = [
        (name, f"{figure['per_answer']['value']:.2f}")
        for name, figure in facts.evaluation.get("kl", {}).items()
    ]
    if moved:
        parts.append(table(("divergence from the", "nats an answer"), moved))
    gate = facts.gate
    if "override" in gate:
        parts.append(f"The gate was overridden, with this reason: {one_line(gate['override']['reason'])}")
    elif gate.get("problems"):
        parts.append("The gate was closed: " + " ".join(gate["problems"]))
    elif gate.get("decided_by"):
        parts.append("The gate let it through.")
    return "\n\n".join(parts) or "It was not evaluated by itself."


def win_rates(facts: CardFacts) -> list[tuple[str, Figures]]:
    """Who judged, and their win rates of this model by the other's name."""
    found = [("people who compared blind", facts.gate.get("by_people", {}))]
    found += [(report["by"], report["win_rate"]) for report in facts.evaluation.get("outside", [])]
    found.append(("the round's own reward model (a proxy)", facts.evaluation.get("win_rate", {})))
    return [(whose, rates) for whose, rates in found if rates]


def limits(facts: CardFacts) -> list[str]:
    """What to be careful about, a sentence each."""
    found = list(facts.notes)
    evaluation = facts.evaluation
    if evaluation.get("win_rate"):
        outside = [rates for whose, rates in win_rates(facts) if "proxy" not in whose]
        if not outside:
            found.append(
                "Only the round's own reward model judged its answers, which it was trained to please: "
                "nobody outside did, so over-optimisation would not show."
            )
        for rates in outside:
            found += [
                f"Others see it win less over the {other} ({rate['value']:.0%}) than its reward model does "
                f"({evaluation['win_rate'][other]['value']:.0%}): it is over-optimised to some degree."
                for other, rate in rates.items()
                if other in evaluation["win_rate"] and rate["high"] < evaluation["win_rate"][other]["low"]
            ]
    for report in evaluation.get("outside", []):
        points = (report.get("best_of_k") or {}).get("points", [])
        if points and is_falling([point["gold"] for point in points]):
            found.append(
                f"Picking harder by the reward model helps no more in the eyes of {report['by']}: it can be "
                "over-optimised."
            )
    accuracy = evaluation.get("reward_model")
    if accuracy and accuracy["num_pairs"] < LEAST_HELD_OUT:
        found.append(f"The reward model was measured on {accuracy['num_pairs']} pairs only.")
    if "override" in facts.gate:
        found.append("It was deployed although the gate was closed.")
    if facts.data:
        named = ", ".join(name for name, _ in facts.data.languages)
        found.append(f"People judged in these languages only: {named}." if named else "")
        if facts.data.agreement is None or facts.data.agreement.get("alpha") is None:
            found.append("How far the people who judged agree is unknown.")
    if not evaluation:
        found.append("This checkpoint was not evaluated by itself.")
    found.append("It has not been tested for safety beyond what is listed here.")
    return [limit for limit in found if limit]


def is_falling(figures: Sequence[Figures]) -> bool:
    """Whether the last is surely below the best: their intervals are apart."""
    best = max(figures, key=lambda figure: figure["value"])
    last = figures[-1]
    return last["high"] is not None and best["low"] is not None and last["high"] < best["low"]


def lineage_part(facts: CardFacts) -> str:
    """What it was made from."""
    if not facts.parents:
        return "It stands at the beginning: nothing that Accord knows of was made before it."
    return table(
        ("made from", "as", "content hash"), [(name, role, f"`{of}`") for name, role, of in facts.parents]
    )


def licence_part(facts: CardFacts) -> str:
    """What is known of licences."""
    rows = [("this checkpoint", facts.licence or NOT_STATED)]
    if facts.base:
        rows.append((f"base model {facts.base}", facts.base_licence or NOT_STATED))
    if facts.data:
        rows.append(("prompts and judgements", facts.data.licence or NOT_STATED))
    note = "A model's licence follows from its base's and its data's: see to it that they allow your use."
    return table(("of", "licence"), rows) + "\n\n" + note


PRIVATE = frozenset({"system_prompts", "judge", "labels", "pattern", "policies", "engine", "collect"})
"""Texts, addresses, paths, and what is only of the machine."""


def public_recipe(recipe: Figures) -> dict[str, Any]:  # Any: JSON
    """The recipe without texts and addresses."""
    return {
        name: _public(value)
        for name, value in recipe.items()
        if name not in PRIVATE and not (isinstance(value, str) and value.startswith("/"))
    }


def _public(value: Any) -> Any:  # Any: JSON
    if isinstance(value, Mapping):
        return public_recipe(value)
    if isinstance(value, list):
        return [_public(each) for each in value]
    return value


def flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:  # Any: JSON
    """Settings as (dotted name, value) in order; what is empty is left out."""
    if isinstance(value, Mapping):
        return [row for name, each in value.items() for row in flat(each, f"{prefix}.{name}".lstrip("."))]
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        return [row for place, each in enumerate(value, 1) for row in flat(each, f"{prefix}[{place}]")]
    return [] if value in (None, [], {}) else [(prefix, json.dumps(value, ensure_ascii=False))]


def section(title: str, text: str) -> tuple[str, ...]:
    """A heading with its text; nothing where there is no text."""
    return (f"## {title}", text) if text else ()


def table(heads: Sequence[str], rows: Rows) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(one_line(cell) for cell in line) + " |" for line in lines)


def one_line(text: str) -> str:
    """A text that fits a cell."""
    return " ".join(text.split()).replace("|", "\\|")


def interval(rate: Figures) -> tuple[str, str]:
    """A share and its interval."""
    return f"{100 * rate['value']:.1f}%", f"{100 * rate['low']:.1f}% to {100 * rate['high']:.1f}%"


def words(name: str) -> str:
    """A value of the database as words."""
    return name.replace("_", " ")


def frequent_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Names with their numbers in the order of the numbers."""
    return sorted(counts.items(), key=lambda row: (-row[1], row[0]))
