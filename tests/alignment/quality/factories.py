"""SFT examples in a few words."""

from typing import Literal

from alignment.records import Candidate, CandidateSet, PromptRecord, SftExample
from annotation.records import Message


def make_example(
    key: str,
    response: str = "It is so.",
    *,
    prompt: str | tuple[str, ...] = "Why is it so?",
    source: Literal["rejection_sampling", "edited"] = "rejection_sampling",
) -> SftExample:
    """An example; several prompts are the user's turns, with answers between them."""
    said = (prompt,) if isinstance(prompt, str) else prompt
    context = [Message(role="user", content=said[0])]
    for text in said[1:]:
        context += [Message(role="assistant", content="Yes."), Message(role="user", content=text)]
    return SftExample(id=key, source=source, context=tuple(context), response=response)


def keys(examples: list[SftExample]) -> list[str]:
    """The examples' ids."""
    return [example.id for example in examples]


def make_candidates(
    *answers: str, best: int = 0, finish: str = "stop", prompt: str = "p", reward: float = 0.0, key: str = ""
) -> CandidateSet:
    """One prompt's candidates."""
    return CandidateSet(
        prompt=PromptRecord(
            id=key or prompt, domain="d", language="en", context=(Message(role="user", content=prompt),)
        ),
        candidates=tuple(
            Candidate.model_validate({"content": answer, "num_tokens": 1, "finish": finish, "reward": reward})
            for answer in answers
        ),
        best=best,
    )
