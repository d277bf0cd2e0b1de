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
from pretrain.curation.classifier import TextClassifier, part_of
from pretrain.curation.sift import SiftConfig
from pretrain.curation.sifting import SiftRecipe
from pretrain.curation.train_classifier import TrainClassifierConfig, labelled
from pretrain.pipeline import Step
from pretrain.run import RunFolder, write_atomically
from reviewing.labels import label_lines
from reviewing.models import DocumentReview
from reviewing.results import Results, results_of
from reviewing.thresholds import parsed, with_bounds
from reviewing.verdicts import Outcome

Recipe = dict[str, Any]  # Any: JSON


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What was written."""

    folder: Path
    review: DocumentReview
    results: Results
    num_labels: int
    training: Step | None
    """Of the classifier."""
    sift: Step
    """After the training."""
    recipe_without: Recipe
    """The recipe without what is trained."""


@dataclass(frozen=True, kw_only=True)
class ClassifierGain:
    """What a trained classifier saves on the sixth of the labels that it has not learned from."""

    num_documents: int
    cost_without: float
    """Of the documents that reach it, if it kept all of them; per document."""
    cost_with: float

    @property
    def helps(self) -> bool:
        """Whether it saves anything."""
        return self.cost_with < self.cost_without


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
    recipe_without = with_bounds(review.run["recipe"], parsed(review.thresholds), results.bounds)
    recipe, training, folder = recipe_without, None, folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lines = list(label_lines(review, results.bounds, classifier))
        write_atomically(folder / "labels.jsonl", "".join(lines))
        write_atomically(folder / "review.json", _json(figures(review, results)))
        if classifier:
            config = TrainClassifierConfig(
                labels=(folder / "labels.jsonl", *(path.resolve() for path in labels)),
                out=folder / "classifier" / "out",
                seed=review.seed,
            )
            training = _step("classifier", "pretrain.curation.train_classifier", folder, config)
            own = {"folder": str(config.out), "min_probability": 1 / (1 + good_cost)}
            others = recipe["classifiers"]
            recipe = {**recipe, "classifiers": {**others, classifier: {**others.get(classifier, {}), **own}}}
        sift = _write_sift(review, folder, recipe)
    except OSError as error:
        raise Invalid(f"{folder} cannot be written: {error.strerror}.") from error
    return Applied(
        folder=folder,
        review=review,
        results=results,
        num_labels=len(lines),
        training=training,
        sift=sift,
        recipe_without=recipe_without,
    )


def classifier_gain(applied: Applied) -> ClassifierGain:
    """What the classifier that was trained saves. Raises ProgramError where it was not."""
    assert applied.training is not None
    config, good_cost = applied.training.config, applied.results.good_cost
    assert isinstance(config, TrainClassifierConfig)
    classifier = TextClassifier(config.out)
    held = [one for one in labelled(config.labels) if part_of(one.text) == "measure" and one.weight]
    total = sum(one.weight for one in held) or 1.0
    kept = [classifier.probability(one.text) >= 1 / (1 + good_cost) for one in held]
    wrong = sum(
        one.weight * (good_cost if one.label else 1.0)
        for one, is_kept in zip(held, kept, strict=True)
        if one.label != is_kept
    )
    return ClassifierGain(
        num_documents=len(held),
        cost_without=sum(one.weight for one in held if not one.label) / total,
        cost_with=wrong / total,
    )


def leave_classifier_out(applied: Applied) -> Step:
    """Write the sift anew without what was trained; with the classifier of that name there was before."""
    return _write_sift(applied.review, applied.folder, applied.recipe_without)


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


def _write_sift(review: DocumentReview, folder: Path, recipe: Recipe) -> Step:
    try:
        config = SiftConfig(
            documents=Path(review.run["documents"]),
            out=folder / "sift" / "out",
            recipe=SiftRecipe.model_validate(recipe),
        )
    except ValidationError as error:
        raise Invalid(f"The recipe of {review.name} does not fit this version: {error}") from error
    write_atomically(folder / "recipe.json", _json({"recipe": recipe}))
    write_atomically(folder / "curation.json", _json({"sift": recipe}))
    return _step("sift", "pretrain.curation.sift", folder, config)


def _step(name: str, module: str, folder: Path, config: SiftConfig | TrainClassifierConfig) -> Step:
    run_folder = RunFolder(folder / name)
    run_folder.write_config(config)
    return Step(name=name, module=module, folder=run_folder, config=config)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
