"""Characters per token, by language: how much text a vocabulary puts into a token.

Comes in: a tokenizer and texts by language. Goes out: counts. A character is a code point of Unicode; special
tokens are not counted, and words that look like one are text.
"""

from collections.abc import Mapping, Sequence

from tokenizers import Tokenizer

Figures = dict[str, float]


def counts(tokenizer: Tokenizer, texts: Sequence[str]) -> Figures:
    """{"characters", "tokens", "characters_per_token"} of the texts together."""
    encoded = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    num_characters, num_tokens = sum(map(len, texts)), sum(len(found.ids) for found in encoded)
    return {
        "characters": num_characters,
        "tokens": num_tokens,
        "characters_per_token": round(num_characters / max(1, num_tokens), 4),
    }


def by_language(tokenizer: Tokenizer, texts: Mapping[str, Sequence[str]]) -> dict[str, Figures]:
    """The counts of each language."""
    return {language: counts(tokenizer, texts[language]) for language in sorted(texts)}


def change(before: Tokenizer, after: Tokenizer, texts: Sequence[str]) -> float:
    """How much more text a token holds, as a part: 0.5 for half as much again."""
    ratio = counts(before, texts)["tokens"] / max(1, counts(after, texts)["tokens"])
    return round(ratio - 1, 5)
