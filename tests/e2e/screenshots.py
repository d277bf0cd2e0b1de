"""Pictures of every page: `python -m tests.e2e.screenshots FOLDER`.

Runs the test that looks at every page, on its own sample site, and keeps what it saw: one PNG for each
page, width and theme. README shows `comparison-1280-light.png`, kept as `docs/images/comparison.png`.
"""

import sys
from pathlib import Path

import pytest

SCREENSHOTS_FOLDER = pytest.StashKey[Path]()


class KeepScreenshots:
    """A plugin for pytest: tells `tests/e2e/test_look.py` where to leave its pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pytest_configure(self, config: pytest.Config) -> None:
        """Make the folder if it is not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config.stash[SCREENSHOTS_FOLDER] = self.folder


def main() -> int:
    """Run the test; its exit status."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m tests.e2e.screenshots FOLDER\n")
        return 2
    test = Path(__file__).with_name("test_look.py")
    return int(pytest.main([str(test), "-q"], plugins=[KeepScreenshots(Path(sys.argv[1]).resolve())]))


if __name__ == "__main__":
    # Not this module's own key and class: pytest imports the module under its real name.
    from tests.e2e import screenshots

    sys.exit(screenshots.main())
