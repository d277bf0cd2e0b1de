"""The records that travel between a round's stages as JSON lines: prompts, candidates, SFT examples.

Pure: nothing of Django or torch. The preference record itself is `annotation.records`'.
"""

from typing import Literal

from pydantic import Field

from annotation.records import Message, RankedResponse, Record


class PromptRecord(Record):
    """A context that ends with a user message and wants an answer."""

    id: str
    domain: str
    language: str
    context: tuple[Message, ...]


class LabelledPrompt(Record):
    """A prompt with its topic, as a person named it: what topics are learned from."""

    context: tuple[Message, ...] = Field(min_length=1)
    coarse: str = Field(min_length=1, pattern="^[^:]+$")
    """Such as "mathematical reasoning"."""
    fine: str = Field(min_length=1)
    """Such as "geometry and trigonometry"."""


class Topic(Record):
    """What an SFT example is about."""

    id: str
    coarse: str
    fine: str


class SftExample(Record):
    """A context (all turns but the last) and the final response to learn."""

    id: str
    source: Literal["rejection_sampling", "edited", "imported"]
    context: tuple[Message, ...]
    turn: tuple[Message, ...] = Field(default=(), exclude_if=lambda turn: not turn)
    """What the assistant's turn holds before the response: tool calls, each with what the tool answered."""
    response: str
    tool_call: bool = Field(default=False, exclude_if=lambda tool_call: not tool_call)
    """Whether the response is for a tool to run. Written only where it is so."""


Finish = Literal["stop", "tool_call", "malformed", "length"]
"""How a sampled answer ended: with its turn, as a whole tool call, in a form that no dialog has (a message
that ends without its turn, special tokens where none belong), or at the length limit."""

Refusal = Literal["form", "language"]
"""Why an answer cannot be chosen: it is malformed, or not in its prompt's language."""


class Candidate(Record):
    """One of the K responses sampled for a prompt."""

    content: str
    num_tokens: int
    finish: Finish
    reward: float | None = None
    refused: Refusal | None = Field(default=None, exclude_if=lambda refused: refused is None)
    """Written only where it is so."""


class CandidateSet(Record):
    """All candidates of one prompt, and which one the reward model likes best."""

    prompt: PromptRecord
    """As it was asked: with the system prompt that was put before it."""
    candidates: tuple[Candidate, ...]
    best: int | None
    """None where every candidate is refused."""
    policy: str = ""
    """The checkpoint that wrote the candidates."""
    system_prompt: str | None = None
    """The name of the recipe's system prompt, where one was put before the prompt."""


class SampledAnswer(Record):
    """One answer of one policy to a held-out prompt, with the reward model's score."""

    prompt_id: str
    domain: str
    policy: str
    sample: int
    content: str
    reward: float


class ShownPair(Record):
    """A comparison as a reward model reads it."""

    id: int
    context: tuple[Message, ...]
    left: str
    right: str
    tool_calls: tuple[Literal["left", "right"], ...] = Field(default=(), exclude_if=lambda sides: not sides)
    """Which of the two are for a tool to run. Written only where one is."""

    @property
    def answers(self) -> tuple[Message, Message]:
        """Left and right as messages."""
        left, right = (
            Message(role="assistant", content=content, tool_call=side in self.tool_calls)
            for side, content in (("left", self.left), ("right", self.right))
        )
        return left, right


def spoken_by(response: RankedResponse) -> Message:
    """A ranked response as a message."""
    return Message(role="assistant", content=response.content, tool_call=response.tool_call)


class Prediction(Record):
    """What a reward model says of a comparison."""

    id: int
    left: float | None = Field(default=None, ge=0, le=1)
    """The probability that left is preferred; None where one of the two is too long for the reward model."""
