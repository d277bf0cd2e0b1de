"""What people's verdicts change, as files that the programs of curation read.

In a folder: `recipe.json` (the sift recipe with the moved thresholds), `curation.json` (the same for
`manage.py pretrain --curation`), `labels.jsonl` (the verdicts), `review.json` (the figures), and the run
folders `classifier/` (where one is trained anew) and `sift/`. The programs' formats are used here, so only
commands import it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from accounts.errors import Invalid
from pretrain.curation.sift import SiftConfig
from pretrain.curation.sifting import SiftRecipe
from pretrain.curation.train_classifier import TrainClassifierConfig
from pretrain.pipeline import Step
from pretrain.run import RunFolder, write_atomically
from reviewing.labels import label_lines
from reviewing.models import DocumentReview
from reviewing.results import Results, results_of
from reviewing.thresholds import parsed, with_bounds
from reviewing.verdicts import Outcome


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What was written."""

    results: Results
    num_labels: int
    steps: Sequence[Step]
    """The programs to run, in order: the classifier's training where there is one, and the sift."""


def review_apply(
    review: DocumentReview,
    folder: Path,
    *,
    good_cost: float,
    classifier: str = "",
    labels: Sequence[Path] = (),
) -> Applied:
    """Write the folder. With `classifier`, the classifier of that name is trained anew, on the verdicts and
    on the files `labels`; its threshold is that of least expected cost for a calibrated probability,
    1 / (1 + good_cost) (Elkan 2001), since the old one's says nothing of it.

    Raises Invalid where nothing was judged, or the folder cannot be written.
    """
    results = results_of(review, good_cost, fixed=[classifier] if classifier else [])
    if not results.num_judged:
        raise Invalid(f"Nobody has judged a document of {review.name}: there is nothing to apply.")
    recipe = with_bounds(review.run["recipe"], parsed(review.thresholds), results.bounds)
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lines = list(label_lines(review, results.bounds, classifier))
        write_atomically(folder / "labels.jsonl", "".join(lines))
        steps = []
        if classifier:
            own = {"folder": str(folder / "classifier" / "out"), "min_probability": 1 / (1 + good_cost)}
            recipe["classifiers"][classifier] = {**recipe["classifiers"].get(classifier, {}), **own}
            config = TrainClassifierConfig(
                labels=(folder / "labels.jsonl", *(path.resolve() for path in labels)),
                out=folder / "classifier" / "out",
                seed=review.seed,
            )
            steps.append(_step("classifier", "pretrain.curation.train_classifier", folder, config))
        sift = SiftConfig(
            documents=Path(review.run["documents"]),
            out=folder / "sift" / "out",
            recipe=SiftRecipe.model_validate(recipe),
        )
        steps.append(_step("sift", "pretrain.curation.sift", folder, sift))
        for name, value in (
            ("recipe.json", {"recipe": recipe}),
            ("curation.json", {"sift": recipe}),
            ("review.json", figures(review, results)),
        ):
            write_atomically(folder / name, json.dumps(value, indent=2, ensure_ascii=False))
        for step in steps:
            step.folder.write_config(step.config)
    except ValidationError as error:
        raise Invalid(f"The recipe of {review.name} does not fit this version: {error}") from error
    except OSError as error:
        raise Invalid(f"{folder} cannot be written: {error.strerror}.") from error
    return Applied(results=results, num_labels=len(lines), steps=steps)


def figures(review: DocumentReview, results: Results) -> dict[str, Any]:  # Any: JSON
    """The figures of a review as JSON."""
    return {
        "review": review.name,
        "good_cost": results.good_cost,
        "num_judged": results.num_judged,
        "num_undecided": results.num_undecided,
        "agreement": None if results.agreement is None else asdict(results.agreement),
        "filters": [asdict(each) for each in results.filters],
        "thresholds": {
            key: {
                "now": each.threshold.bound,
                "suggested": each.bound,
                "low": each.low,
                "high": each.high,
                "gain": each.gain,
            }
            for key, each in results.moved.items()
        },
        "before": asdict(results.before),
        "after": asdict(results.after),
    }


def told(outcome: Outcome) -> str:
    """An outcome in a line."""
    error = outcome.error
    wrong = "" if error is None else f"{error.value:.1%} [{error.low:.1%}, {error.high:.1%}] wrong, "
    return f"{wrong}{outcome.num_kept:,.0f} documents kept, cost {outcome.cost:.4f}"


def _step(name: str, module: str, folder: Path, config: SiftConfig | TrainClassifierConfig) -> Step:
    run_folder = RunFolder(folder / name)
    return Step(name=name, module=module, folder=run_folder, config=config)
