"""Style sheets and modules joined into one file."""

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client

from web.bundles import bundle

IN_TEMPLATES = re.compile(r"{% bundle '([^']+)' %}")
ROOT = Path(__file__).parents[2]


def named_in_templates() -> list[str]:
    folders = [ROOT / "platform", ROOT / "annotation", ROOT / "alignment"]
    texts = [file.read_text() for folder in folders for file in folder.rglob("templates/**/*.html")]
    return sorted({name for text in texts for name in IN_TEMPLATES.findall(text)})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files are static ones."""

    def find(path: str) -> str | None:
        return str(tmp_path / path) if (tmp_path / path).is_file() else None

    monkeypatch.setattr(finders, "find", find)
    monkeypatch.setattr(settings, "DEBUG", True)
    return tmp_path


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        stem, suffix = name.rsplit("_", 1)
        (folder / f"{stem}.{suffix}").write_text(text)


def run(code: str) -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here; the browser tests run the same files")
    done = subprocess.run([node, "--input-type=module", "-"], input=code, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("path", named_in_templates())
def test_what_templates_name_is_one_file_without_imports(path: str) -> None:
    found = bundle(path)
    assert not re.search(rb"^(import|export|@import)\b", found.content, re.MULTILINE)
    assert gzip.decompress(found.zipped) == found.content


def test_modules_run_once_each_after_what_they_import_and_keep_their_own_names(site: Path) -> None:
    write(
        site,
        last_js='console.log("last");\nconst own = "of last";\nexport const ask = () => own;\n',
        middle_js='import { ask } from "./last.js";\nconst own = "of middle";\n'
        "export function both() {\n  return `${ask()}, ${own}`;\n}\n",
        first_js='import "./last.js";\nimport { both } from "./middle.js";\nimport { ask } from "./last.js";'
        "\nconsole.log(both(), ask());\n",
    )
    found = bundle("first.js")
    assert run(found.content.decode()) == "last\nof last, of middle of last"


def test_a_style_sheet_has_what_it_imports_once_and_in_order(site: Path) -> None:
    write(
        site,
        a_css='@import "b.css";\n@import "c.css";\na { top: 0; }\n',
        b_css='@import "c.css";\nb { top: 0; }\n',
        c_css="c { top: 0; }\n",
    )
    found = bundle("a.css")
    assert found.content.decode() == "c { top: 0; }\nb { top: 0; }\na { top: 0; }\n"


@pytest.mark.parametrize(
    "text",
    ['import * as all from "./other.js";\n', "export default 1;\n", 'export { a } from "./other.js";\n'],
)
def test_what_cannot_be_joined_is_said(site: Path, text: str) -> None:
    write(site, odd_js=text, other_js="export const a = 1;\n")
    with pytest.raises(AssertionError, match="cannot be joined"):
        bundle("odd.js")


def test_the_address_may_be_kept_for_ever_and_an_old_one_gives_what_is_now(client: Client) -> None:
    found = bundle("web/page.css")
    now = client.get(f"/bundles/{found.digest}/web/page.css", headers={"Accept-Encoding": "gzip"})
    assert "immutable" in now["Cache-Control"]
    assert gzip.decompress(now.content) == found.content
    old = client.get("/bundles/0123456789abcdef/web/page.css")
    assert old.content == found.content
    assert "immutable" not in old["Cache-Control"]


@pytest.mark.parametrize("path", ["web/mark.svg", "web/none.css", "../settings.py", "%2e%2e/web/page.css"])
def test_nothing_else_is_given(client: Client, path: str) -> None:
    assert client.get(f"/bundles/0123456789abcdef/{path}").status_code == 404
