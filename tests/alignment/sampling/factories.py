"""Tokenizers, prompts and judgements for the tests of sampling; no torch."""

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from alignment.programs import SamplingConfig
from alignment.records import LabelledPrompt, PromptRecord
from alignment.rejection.draws import Draw
from annotation.records import Message, PreferenceRecord, Record, Strength, write_records
from pretrain.dialog import SPECIAL_TOKENS


def make_tokenizer(folder: Path) -> Path:
    """A tokenizer of single bytes and the protocol's tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL_TOKENS, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def make_prompts(count: int) -> list[PromptRecord]:
    """Prompts of one user message each."""
    return [
        PromptRecord(
            id=f"prompt-{number}",
            domain="sums",
            language="en",
            context=(Message(role="user", content=f"What is {number} + 2?"),),
        )
        for number in range(count)
    ]


def make_draw(prompt: PromptRecord) -> Draw:
    """The prompt as the only policy is asked it."""
    return Draw(prompt=prompt, system_prompt=None, policy="policy", sampling=SamplingConfig(max_tokens=16))


def make_labels(count: int) -> list[LabelledPrompt]:
    """`count` sums and as many questions about birds, each with its topic."""
    asked = [
        *((f"What is {number} + {3 * number}?", "mathematics", "addition") for number in range(count)),
        *(
            (f"Name {'a bird ' * (number % 3 + 1)}of the woods {number}.", "nature", "birds")
            for number in range(count)
        ),
    ]
    return [
        LabelledPrompt(context=(Message(role="user", content=text),), coarse=coarse, fine=fine)
        for text, coarse, fine in asked
    ]


def make_preferences(count: int) -> list[PreferenceRecord]:
    """Judgements of two answers each."""
    return [
        PreferenceRecord.model_validate(
            {
                **{name: getattr(prompt, name) for name in ("id", "domain", "language", "context")},
                "round": 1,
                "responses": [
                    {"content": "It is so.", "model": "a", "origin": "chosen"},
                    {"content": f"No, {prompt.id}!", "model": "b", "origin": "rejected"},
                ],
                "strength": Strength.BETTER,
                "annotator": "ann",
                "created": "2026-01-01T00:00:00Z",
            }
        )
        for prompt in make_prompts(count)
    ]


def write_file(path: Path, records: list[PromptRecord] | list[PreferenceRecord]) -> Path:
    """The records as a JSONL file."""
    rows: list[Record] = [*records]
    write_records(path, rows)
    return path
