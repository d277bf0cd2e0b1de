"""What a field of a program's configuration is to its fingerprint (`alignment.fingerprints`).

A path without a mark is an input: what lies there counts. Every other value without a mark counts as it is.
"""

from enum import Enum
from pathlib import Path
from typing import Annotated


class Part(Enum):
    """The marks."""

    OUTPUT = "output"
    """A file or folder that the program writes: only its field counts, not where it lies."""
    CACHE = "cache"
    """A file that spares work and changes no result."""
    RUN_FOLDERS = "run folders"
    """Run folders of other programs: their results and what they wrote count."""
    NEUTRAL = "neutral"
    """A setting that changes no bit of the result. When in doubt, it is none."""


OutputPath = Annotated[Path, Part.OUTPUT]
CachePath = Annotated[Path, Part.CACHE]
