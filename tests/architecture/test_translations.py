"""Each language of the interface has every text, and its compiled catalogue is that of its texts."""

import gettext
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from accord.env import REPOSITORY
from tests.architecture.test_layout import tracked_files

LOCALES = Path("platform/accord/locale")
LANGUAGES = sorted(folder.name for folder in (REPOSITORY / LOCALES).iterdir())
DOMAINS = ("django", "djangojs")

pytestmark = pytest.mark.skipif(shutil.which("xgettext") is None, reason="install gettext")


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources whose catalogues have just been brought up to date."""
    root = tmp_path_factory.mktemp("sources")
    for path in tracked_files():
        if path.suffix in {".py", ".html", ".js", ".po"} and "tests" not in path.parts:
            copied = root / path.relative_to(REPOSITORY)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copied)
    for domain in DOMAINS:
        subprocess.run(
            [
                *(sys.executable, "manage.py", "makemessages", "--domain", domain, "--no-location"),
                *(option for name in LANGUAGES for option in ("--locale", name)),
            ],
            cwd=root,
            env={**os.environ, "PYTHONPATH": f"{root / 'platform'}:{root}"},
            check=True,
            capture_output=True,
        )
    return root


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(extracted: Path, language: str, domain: str) -> None:
    """Mend with `manage.py makemessages`, the translations, and `manage.py compilemessages`."""
    catalogue = extracted / LOCALES / language / "LC_MESSAGES" / f"{domain}.po"
    missing = subprocess.run(
        ["msgattrib", "--untranslated", "--no-obsolete", catalogue],
        capture_output=True,
        text=True,
        check=True,
    )
    unsure = subprocess.run(
        ["msgattrib", "--only-fuzzy", "--no-obsolete", catalogue], capture_output=True, text=True, check=True
    )
    assert re.findall(r'^msgid "(.+)', missing.stdout + unsure.stdout, re.M) == []


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_is_that_of_its_texts(language: str, domain: str, tmp_path: Path) -> None:
    folder = REPOSITORY / LOCALES / language / "LC_MESSAGES"
    made = tmp_path / "made.mo"
    subprocess.run(["msgfmt", "--check", "-o", made, folder / f"{domain}.po"], check=True)
    assert catalogue_of(folder / f"{domain}.mo") == catalogue_of(made)


def catalogue_of(path: Path) -> dict[object, str]:
    """Everything a compiled catalogue says."""
    with path.open("rb") as file:
        return vars(gettext.GNUTranslations(file))["_catalog"]


def test_the_settings_know_each_language() -> None:
    assert [code for code, _ in settings.LANGUAGES] == ["en", "zh-hans"]
