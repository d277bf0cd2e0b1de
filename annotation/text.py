"""Which text may enter the database. Pure."""


def storable(text: str) -> bool:
    """PostgreSQL keeps no NUL characters, and UTF-8 has no lone surrogates."""
    if "\0" in text:
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
