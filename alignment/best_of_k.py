"""What the round's page shows of rejection sampling. Pure: a program's figures in, rows of a template out.

The cost of a kept example is that of all that was drawn, over the examples that quality control kept; until
that is known, over the answers that were chosen.
"""

from collections.abc import Mapping
from typing import Any

REFUSALS = {"form": "in a form that no dialog has", "language": "in another language"}
"""What a refused answer is, in words."""

Figures = Mapping[str, Any]  # Any: JSON


def best_of_k_report(
    result: Figures, kept: Mapping[str, int] | None = None
) -> dict[str, Any] | None:  # Any: of a template
    """The figures of the stage as the page shows them; None before there are any.

    `kept` counts the sampled examples that quality control kept, by domain; None while nobody knows.
    """
    if len(result.get("reward_by_k", {})) < 2:
        return None
    domains = result.get("domains", {})
    asked = {name: result.get(name, {}) for name in ("policies", "system_prompts")}
    return {
        **_row(result, None if kept is None else sum(kept.values())),
        "is_after_quality": kept is not None,
        "refused": [
            (REFUSALS.get(reason, reason), number) for reason, number in _frequent(result, "num_refused")
        ],
        "num_tool_calls": result.get("num_finished", {}).get("tool_call", 0),
        "policies": _by_count(asked["policies"]) if len(asked["policies"]) > 1 else [],
        "system_prompts": _by_count(asked["system_prompts"]),
        "unmatched_domains": result.get("unmatched_domains", []),
        "domains": [
            {"name": name, **_row(figures, None if kept is None else kept.get(name, 0))}
            for name, figures in sorted(domains.items())
        ],
    }


def _row(figures: Figures, num_kept: int | None) -> dict[str, Any]:  # Any: of a template
    """What is told of all prompts, and of one domain's."""
    num_prompts = figures["num_prompts"]
    num_chosen = figures.get("num_chosen", num_prompts)
    examples = num_chosen if num_kept is None else num_kept
    points = sorted((int(k), reward) for k, reward in figures["reward_by_k"].items())
    seconds = figures.get("seconds")
    return {
        "num_prompts": num_prompts,
        "num_without_answer": num_prompts - num_chosen,
        "num_kept": examples,
        "points": points,
        "share_above_median": figures.get("share_above_median"),
        "tokens_per_kept": round(figures["num_tokens"] / examples) if examples else None,
        "seconds_per_kept": seconds / examples if seconds and examples else None,
    }


def _frequent(result: Figures, name: str) -> list[tuple[str, int]]:
    return _by_count(result.get(name, {}))


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Names with their counts, the most frequent first: PostgreSQL keeps no order of a JSON object."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
