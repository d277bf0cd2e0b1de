"""The file of CandidateSets that rejection sampling grows: read after a kill, appended to, put in order.

No torch, no vLLM.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from alignment.records import Candidate, CandidateSet
from alignment.rejection.draws import Draw
from alignment.rejection.figures import rewarded
from annotation.records import write_records
from pretrain.run import ProgramError


def candidate_set(draw: Draw, candidates: Sequence[Candidate]) -> CandidateSet:
    """The candidates with the best marked: the highest reward of those not refused, the first of equals."""
    choosable = [place for place, candidate in enumerate(candidates) if candidate.refused is None]
    return CandidateSet(
        prompt=draw.prompt,
        candidates=tuple(candidates),
        best=max(choosable, key=lambda place: rewarded(candidates[place]), default=None),
        policy=draw.policy,
        system_prompt=draw.system_prompt,
    )


def read_finished(out: Path, draws: Iterable[Draw], num_candidates: int) -> dict[str, CandidateSet]:
    """What an earlier run left of these draws in `out`, by prompt id.

    The rest is dropped from `out`: a line that a kill cut off, a prompt that was changed or goes to another
    policy. Raises ProgramError where it holds another number of candidates.
    """
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        return {}
    asked = {draw.prompt.id: draw for draw in draws}
    finished: dict[str, CandidateSet] = {}
    for line in out.read_bytes().splitlines():
        try:
            found = CandidateSet.model_validate_json(line)
        except ValidationError:
            continue
        if len(found.candidates) != num_candidates:
            raise ProgramError(
                f"{out} holds {len(found.candidates)} candidates a prompt, "
                f"not {num_candidates}: remove it or name another file."
            )
        draw = asked.get(found.prompt.id)
        if draw is not None and (found.prompt, found.policy) == (draw.prompt, draw.policy):
            finished[found.prompt.id] = found
    write_records(out, finished.values())
    return finished


def append(out: Path, found: Sequence[CandidateSet]) -> None:
    """Add a batch's records in one write."""
    text = "".join(each.model_dump_json() + "\n" for each in found)
    with out.open("a", encoding="utf-8") as lines:
        lines.write(text)
