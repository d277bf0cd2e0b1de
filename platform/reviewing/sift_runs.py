"""The run folder of a `sift`: checked to be whole and unchanged, its thresholds, and its documents.

Here the programs' own formats are read, so only commands import it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pretrain.curation.documents import Document, read_shard
from pretrain.curation.sift import SiftConfig
from pretrain.curation.sifting import SiftRecipe
from pretrain.curation.steps import ShardReport, file_hash, read_report
from pretrain.run import ProgramError, load_config
from reviewing.thresholds import HEURISTICS, Threshold


@dataclass(frozen=True, kw_only=True)
class SiftRun:
    """A finished run."""

    folder: Path
    config: SiftConfig
    out: Path
    reports: tuple[ShardReport, ...]

    @property
    def num_documents(self) -> int:
        """That went in."""
        return sum(report.num_documents for report in self.reports)

    @property
    def num_kept(self) -> int:
        """That came out."""
        return sum(report.num_kept for report in self.reports)

    @property
    def dropped_by(self) -> Counter[str]:
        """Documents by filter; one that several dropped counts for each."""
        found = Counter[str]()
        for report in self.reports:
            found.update(report.dropped_by)
        return found

    def documents(self) -> Iterator[Document]:
        """All documents, dropped ones with kept ones, shard by shard.

        Raises ProgramError where a shard is damaged or does not hold what its report says.
        """
        for report in self.reports:
            counts = Counter[str]()
            for path in (self.out / report.shard, self.out / "dropped" / report.shard):
                for document in read_shard(path):
                    counts["num_documents"] += 1
                    counts["num_kept"] += document.is_kept
                    if document.is_kept:
                        counts["num_characters_kept"] += len(document.text)
                    yield document
            for name in ("num_documents", "num_kept", "num_characters_kept"):
                if counts[name] != getattr(report, name):
                    raise ProgramError(
                        f"{self.out / report.shard} has changed since it was sifted: run sift again in "
                        f"{self.folder}."
                    )


def open_run(folder: Path) -> SiftRun:
    """The run of this folder. Raises ProgramError where it is none, unfinished, or its input has changed."""
    if not (folder / "run.json").is_file():
        raise ProgramError(f"{folder} has no run.json: give the run folder of a sift.")
    config = load_config(folder / "run.json", SiftConfig)
    out = next((path for path in (config.out, folder / config.out) if path.is_dir()), None)
    if out is None:
        raise ProgramError(f"There is no {config.out}: run sift in {folder} first.")
    shards = sorted(path.name for path in out.glob("*.jsonl.zst") if not path.name.startswith("."))
    if not shards:
        raise ProgramError(f"{out} holds no documents: run sift in {folder} first.")
    going_in = {path.name for path in config.documents.glob("*.jsonl.zst") if not path.name.startswith(".")}
    if unfinished := sorted(going_in - set(shards)):
        raise ProgramError(f"{unfinished[0]} is not sifted yet: finish the sift in {folder} first.")
    reports = []
    for shard in shards:
        report = read_report(out / "reports" / f"{shard}.json")
        if report is None or not (out / "dropped" / shard).is_file():
            raise ProgramError(
                f"{out} has no report or no dropped documents of {shard}: finish the sift first."
            )
        if not report.fingerprint.startswith(config.fingerprint()):
            raise ProgramError(f"{shard} was sifted by another run.json: run sift again in {folder}.")
        came_in = config.documents / shard
        if came_in.is_file() and file_hash(came_in) != report.sha256:
            raise ProgramError(f"{came_in} has changed since it was sifted: run sift again in {folder}.")
        reports.append(report)
    return SiftRun(folder=folder, config=config, out=out, reports=tuple(reports))


def thresholds_of(recipe: SiftRecipe) -> tuple[Threshold, ...]:
    """The numbers of the recipe that people's verdicts may move."""
    found: list[tuple[str, str, float | None, tuple[str, ...]]] = []
    if recipe.language is not None:
        found.append(("language", "low", recipe.language.min_probability, ("language", "min_probability")))
    if recipe.heuristics is not None:
        for rule in recipe.heuristics.rules():
            for side, bound in (("low", rule.low), ("high", rule.high)):
                found.append((rule.measure, side, bound, (HEURISTICS, "bounds", rule.measure, side)))
    if recipe.dirty_words is not None:
        found.append(("dirty_words", "high", recipe.dirty_words.max_share, ("dirty_words", "max_share")))
    if recipe.divergence is not None:
        found.append(("divergence", "high", recipe.divergence.max_nats, ("divergence", "max_nats")))
    for name, part in recipe.classifiers.items():
        found.append((name, "low", part.min_probability, ("classifiers", name, "min_probability")))
    return tuple(
        Threshold.model_validate({"filter": name, "side": side, "bound": bound, "path": path})
        for name, side, bound, path in found
        if bound is not None
    )
