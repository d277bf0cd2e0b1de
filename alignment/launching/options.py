"""What a deployment says of its machines: a TOML file of options, by kind of stage.

    [all]
    partition = "gpu"
    [sampling]
    gpus = 1
    [reward_model]
    gpus = 8
    minutes = 240

`all` holds for every program, then what its queue says (`training`, `sampling`), then its stage (`sft`, …).
Raises LaunchError with a sentence where the file is wrong.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alignment.launching.interface import LaunchError, Work
from pretrain.failures import Failure

ALL = "all"
QUEUES = ("training", "sampling")

# What goes into a line of a script or a field of a manifest as it is.
Word = Annotated[str, Field(pattern=r"^[\w.,:/@&|*()=+-]*$")]


class Options(BaseModel):
    """What every cluster is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: int = Field(default=1, ge=1)
    """Machines. The recipe's `num_processes` are shared out among them evenly."""
    gpus: int = Field(default=0, ge=0)
    """On each machine."""
    cpus: int | None = Field(default=None, ge=1)
    """Cores on each machine; None: the cluster's default."""
    memory_gib: int | None = Field(default=None, ge=1)
    """On each machine; None: the cluster's default."""
    minutes: int | None = Field(default=None, ge=1)
    """The time limit of one start; None: the cluster's default."""
    save_seconds: int = Field(default=120, ge=1)
    """Before the time limit, and after being asked to end, for saving."""


OptionsT = TypeVar("OptionsT", bound=BaseModel)


SectionT = TypeVar("SectionT", bound=BaseModel)


def options_for(
    work: Work,
    path: Path | None,
    model: type[OptionsT],
    *,
    kinds: tuple[str, ...],
    others: tuple[str, ...] = (),
) -> OptionsT:
    """The options of a program; `kinds` are the stages that a section may name, `others` what is no kind."""
    sections = {} if path is None else _sections(path)
    strange = sorted(set(sections) - {ALL, *QUEUES, *kinds, *others})
    if strange:
        raise _wrong(path, f"there is no kind of stage [{strange[0]}]; there are {', '.join(kinds)}")
    values: dict[str, Any] = {}  # Any: TOML
    for name in (ALL, work.queue, work.kind):
        values |= sections.get(name, {})
    return _checked(path, work.kind or work.queue, model, values)


def section_of(path: Path | None, name: str, model: type[SectionT]) -> SectionT:
    """One section that is no kind of stage; without it, what the model says by itself."""
    return _checked(path, name, model, {} if path is None else _sections(path).get(name, {}))


def _checked(
    path: Path | None,
    name: str,
    model: type[SectionT],
    values: dict[str, Any],  # Any: TOML
) -> SectionT:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the options"
        raise _wrong(path, f"{where} of [{name}]: {first['msg']}") from error


def _sections(path: Path) -> dict[str, dict[str, Any]]:  # Any: TOML
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _wrong(path, str(error)) from error
    for name, section in sections.items():
        if not isinstance(section, dict):
            raise _wrong(path, f"{name} stands outside of any section: put it under [{ALL}]")
    return sections


def _wrong(path: Path | None, what: str) -> LaunchError:
    named = "LAUNCHER_OPTIONS is not set" if path is None else f"LAUNCHER_OPTIONS, {path}"
    return LaunchError(Failure(sentence=f"{named}: {what}. Mend it, then retry."))
