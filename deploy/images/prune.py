"""Takes out of an installed environment what the site never loads: `python -m deploy.images.prune FOLDER`.

Half of the packages' bytes are their tests, headers for compilers, and parts of Arrow and of the tokenizers'
downloads that nothing here calls. `tests/ops/test_web_image.py` runs the site on what is left.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

PARTS = (
    "pyarrow/include",
    "pyarrow/*_flight*",
    "pyarrow/*arrow_s3*",
    "pyarrow/_s3fs*",
    "pyarrow/*.pyx",
    "pyarrow/*.pxi",
    "numpy/f2py",
    # One of its three ways into the library is enough.
    "zstandard/_cffi*",
    "zstandard/backend_rust*",
    # tokenizers names it for downloads by name; the site reads folders.
    "huggingface_hub*",
    "hf_xet*",
    "httpcore2*",
    "httpx2*",
    "pip",
    "pip-*",
    "setuptools*",
    "pkg_resources",
)


SOURCES = (".po", ".pyi", ".a")
"""Of what is there in another form, or for other programs."""


def doomed(packages: Path) -> Iterator[Path]:
    """What goes."""
    for pattern in PARTS:
        yield from packages.glob(pattern)
    for folder in packages.rglob("tests"):
        if folder.is_dir():
            yield folder
    for ending in SOURCES:
        yield from packages.rglob(f"*{ending}")


def prune(packages: Path) -> int:
    """Remove it; how many bytes that were."""
    freed = 0
    for path in sorted(doomed(packages), key=lambda path: len(path.parts)):
        if path.is_symlink() or path.is_file():
            freed += path.lstat().st_size
            path.unlink()
        elif path.exists():
            freed += sum(each.lstat().st_size for each in path.rglob("*") if not each.is_dir())
            shutil.rmtree(path)
    return freed


if __name__ == "__main__":
    sys.stdout.write(f"{prune(Path(sys.argv[1])) >> 20} MiB less.\n")
