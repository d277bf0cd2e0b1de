"""Texts of the web, as the database can hold them and as people can see them. Pure."""

MAX_CHARACTERS = 200_000
"""Of a document that people judge: nobody reads further."""

CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {127: 0x2421}
"""Control characters by their pictures."""
DIRECTIONS = {
    code: f"⟦U+{code:04X}⟧"
    for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)
}
"""Characters that turn the direction of what follows: hostile texts hide what they say with them."""
DISPLAYED: dict[int, int | str] = {**CONTROLS, **DIRECTIONS}


def storable_text(text: str) -> str:
    """The text without what PostgreSQL and UTF-8 have no form of, cut at MAX_CHARACTERS."""
    cut = text[:MAX_CHARACTERS].replace("\0", "\ufffd")
    return cut.encode("utf-8", "replace").decode("utf-8")


def displayed(text: str) -> str:
    """The text with signs in the place of characters that do something and show nothing."""
    return text.replace("\r\n", "\n").translate(DISPLAYED)
