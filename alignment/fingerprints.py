"""Fingerprints of programs: two programs with the same one would compute the same.

Pure. A plan is the configuration as JSON with every path replaced by what it stands for; the fingerprint
is the hash of the plan with the content hash of every input filled in. So a number changed in a recipe
changes the fingerprints of what it is told to, and of what follows only if the outputs come out different.
"""

import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from alignment.programs.parts import Part
from pretrain.run import ProgramConfig

FORMAT = 1
"""Raise it when programs compute other results from the same configuration."""

Plan = dict[str, Any]
"""{"module", "settings": the configuration, "inputs": paths in order, "run_folders": likewise, "outputs":
{field: path}, "caches": {field: path}}; Any: JSON."""


def plan_of(module: str, config: ProgramConfig) -> Plan:
    """What the program is told, apart from where things lie."""
    plan: Plan = {"module": module, "inputs": [], "run_folders": [], "outputs": {}, "caches": {}}
    plan["settings"] = _settings(config, None, "", plan)
    return plan


def plan_inputs(plan: Plan) -> list[Path]:
    """Every path whose content the fingerprint stands on."""
    return [Path(path) for path in plan["inputs"]]


def fingerprint(plan: Plan, contents: Mapping[Path, str]) -> str | None:
    """SHA-256 as 64 hex digits; None where the content hash of an input is not among `contents`."""
    hashes = [contents.get(Path(path)) for path in (*plan["inputs"], *plan["run_folders"])]
    if None in hashes:
        return None
    told = {"format": FORMAT, "module": plan["module"], "settings": plan["settings"], "contents": hashes}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _settings(value: object, part: Part | None, field: str, plan: Plan) -> Any:  # Any: JSON
    """The value as JSON; paths in it are noted in the plan and stand as their place there."""
    if isinstance(value, BaseModel):
        settings = {}
        for name, info in type(value).model_fields.items():
            marks = [mark for mark in info.metadata if isinstance(mark, Part)]
            own = marks[0] if marks else None
            if own is not Part.NEUTRAL:
                settings[name] = _settings(getattr(value, name), own, f"{field}{name}", plan)
        return settings
    if isinstance(value, Mapping):
        return {str(key): _settings(item, part, f"{field}.{key}.", plan) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_settings(item, part, f"{field}.{place}.", plan) for place, item in enumerate(value)]
    if isinstance(value, Enum):
        return value.value
    return _path(value, part, field, plan) if isinstance(value, Path) else value


def _path(path: Path, part: Part | None, field: str, plan: Plan) -> dict[str, object] | None:
    if part is Part.CACHE:
        plan["caches"][field] = str(path)
        return None
    if part is Part.OUTPUT:
        plan["outputs"][field] = str(path)
        return {"output": field}
    kind = "run_folders" if part is Part.RUN_FOLDERS else "inputs"
    plan[kind].append(str(path))
    return {kind: len(plan[kind]) - 1}
