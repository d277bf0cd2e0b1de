"""How much one import may read: a small compressed file can expand to more than any disk holds."""

from dataclasses import dataclass

GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that one file, or one folder as a whole, may hold once it is unpacked."""

    max_bytes: int = 16 * GIB
    max_rows: int = 10_000_000

    def __post_init__(self) -> None:
        if self.max_bytes < 1 or self.max_rows < 1:
            raise ValueError("An import must be allowed at least one byte and one row.")
