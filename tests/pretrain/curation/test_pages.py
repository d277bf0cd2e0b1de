"""Files of pages become documents: every record accounted for, formulas and code kept, kills survived."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from pretrain.curation.documents import read_shard, shard_paths
from pretrain.curation.html_text import html_text, page_text
from pretrain.curation.run_pages import FileReport, PagesConfig, run
from pretrain.failures import ProgramError
from pretrain.run import RunFolder

WARC = Path(__file__).resolve().parents[4] / "shared" / "data" / "warc"
PROSE = "<p>" + "A sentence that is long enough to be the content of a page. " * 5 + "</p>"


def result_of(folder: Path, *inputs: Path, max_bytes: int = 1 << 20) -> dict[str, int]:
    """Read the inputs into `folder`/out."""
    run_folder = RunFolder(folder / "run")
    run(PagesConfig(inputs=inputs, out=folder / "out", max_bytes=max_bytes), run_folder)
    return run_folder.read_result() or {}


def reports(folder: Path) -> dict[str, FileReport]:
    """What became of each file."""
    found = (folder / "out" / "reports").glob("*.json")
    told = [FileReport.model_validate_json(path.read_text()) for path in found]
    return {report.source: report for report in told}


@pytest.mark.skipif(not WARC.exists() and "CI" not in os.environ, reason="needs the shared data")
def test_every_record_of_real_archives_is_accounted_for(tmp_path: Path) -> None:
    result_of(tmp_path, WARC)
    told = reports(tmp_path)
    assert set(told) == {path.name for path in WARC.iterdir()}
    keys = []
    for report in told.values():
        others = report.num_kept + report.num_dropped + report.num_unreadable
        assert report.num_records == others + sum(report.no_page.values()) > 0
    for folder in (tmp_path / "out", tmp_path / "out" / "dropped"):
        keys += [document.key for shard in shard_paths(folder) for document in read_shard(shard)]
    assert len(set(keys)) == len(keys) == sum(r.num_kept + r.num_dropped for r in told.values())
    clipped = told["chatnoir-resiliparse__clipped.warc.gz"].unreadable
    assert [(each.offset, each.reason) for each in clipped] == [(0, "cut off after 74970 of 88038 bytes")]
    assert told["warcio__example-trunc.warc"].num_unreadable == 1
    assert told["warcio__example.arc.gz"].unreadable[0].reason.startswith("an ARC file")


def test_rows_and_files_of_all_kinds_become_documents(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    rows = [
        b'{"text": "one", "url": "https://a.example"}',
        b"{broken",
        b"[1]",
        b'{"text": "' + b"x" * 4000 + b'"}',
        b'{"html": "<p>two"}',
        b'{"text": " "}',
        b"\xff",
    ]
    (pages / "rows.jsonl").write_bytes(b"\n".join(rows))
    (pages / "page.html").write_bytes(f'<meta charset="iso-8859-1"><body>{PROSE}Grüße'.encode("latin-1"))
    (pages / "empty.txt").write_bytes(b"")
    (pages / "empty.warc").write_bytes(b"")
    (pages / "cut.txt.gz").write_bytes(gzip.compress(os.urandom(999))[:500])
    parquet.write_table(arrow.table({"text": ["three", None]}), pages / "rows.parquet")
    (pages / "damaged.parquet").write_bytes(b"PAR1 no")
    result_of(tmp_path, pages, max_bytes=1024)
    told = reports(tmp_path)
    texts = [document.text for shard in shard_paths(tmp_path / "out") for document in read_shard(shard)]
    assert {"one", "two", "three"} <= set(texts)
    assert any(text.endswith("Grüße") for text in texts)
    assert [each.offset for each in told["rows.jsonl"].unreadable] == [
        sum(len(row) + 1 for row in rows[:number]) for number in (1, 2, 3, 6)
    ]
    assert (told["rows.jsonl"].num_kept, told["rows.jsonl"].num_dropped) == (2, 1)
    for name in ("cut.txt.gz", "damaged.parquet", "rows.parquet"):
        assert told[name].num_unreadable == 1
    assert (told["empty.warc"].num_records, told["empty.txt"].num_dropped) == (0, 1)


def test_an_input_is_done_once_and_again_when_its_bytes_change(tmp_path: Path) -> None:
    given = tmp_path / "a.txt"
    given.write_text("first")
    result_of(tmp_path, given)
    shard = shard_paths(tmp_path / "out")[0]
    made = shard.stat().st_mtime_ns
    assert result_of(tmp_path, given)["num_kept"] == 1
    assert shard.stat().st_mtime_ns == made
    given.write_text("second")
    result_of(tmp_path, given)
    assert [document.text for document in read_shard(shard)] == ["second"]


def test_folders_without_pages_are_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(ProgramError, match="There are no pages in"):
        result_of(tmp_path, tmp_path / "none")


def test_a_killed_program_goes_on_without_loss(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    for number in range(8):
        lines = [json.dumps({"html": PROSE + f"{number} {line}"}) for line in range(800)]
        (pages / f"{number}.jsonl").write_text("\n".join(lines))
    folder = RunFolder(tmp_path / "run")
    folder.write_config(PagesConfig(inputs=(pages,), out=tmp_path / "out"))
    command = [sys.executable, "-m", "pretrain.curation.run_pages", str(folder.config_path)]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out" / "reports").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "reports").glob("*.json")}
    assert 0 < len(done) < 8
    subprocess.run(command, check=True)
    assert all(path.stat().st_mtime_ns == at for path, at in done.items())
    keys = [document.key for shard in shard_paths(tmp_path / "out") for document in read_shard(shard)]
    assert len(set(keys)) == len(keys) == 8 * 800


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('<script type="math/tex">x^2</script>', "$x^2$"),
        ('<span class="MathJax">x2</span><script type="math/tex; mode=display">x^2</script>', "$$x^2$$"),
        ('<math alttext="{\\displaystyle x^{2}}"><mi>x</mi></math>', "$x^{2}$"),
        (
            '<span class="katex"><math><semantics><mi>x</mi><annotation encoding="application/x-tex">x_1'
            '</annotation></semantics></math><span class="katex-html">x1</span></span>',
            "$x_1$",
        ),
        ('<img class="latex" alt="\\frac{1}{2}" src="a.png">', "$\\frac{1}{2}$"),
    ],
)
def test_formulas_are_kept_as_latex_and_once(written: str, read: str) -> None:
    found = " ".join(html_text(f"<body><main>{PROSE}<p>Here {written} ends.</p></main>").split())
    assert found.endswith(f"Here {read} ends.")


def test_formulas_that_wikipedia_hides_are_shown() -> None:
    hidden = '<span class="mwe-math-mathml-inline" style="display: none;"><math alttext="{\\displaystyle x}">'
    later = '<noscript><img class="mwe-math-fallback-image-inline" alt="{\\displaystyle x}"></noscript>'
    found = html_text(
        f"<main>{PROSE}<p>Let <span>{hidden}<mi>x</mi></math></span>{later}</span> be.</p></main>"
    )
    assert found.endswith("Let $x$ be.")


def test_mathml_without_a_source_is_kept_as_it_is() -> None:
    formulas = "<math><mi>a</mi></math> and <math alttext='b<c'><mi>b</mi></math>, <math>x"
    assert " ".join(html_text(f"<main>{PROSE}<p>{formulas}</p></main>").split()).endswith("a and $b<c$, x")


def test_words_of_code_that_were_taken_apart_come_together() -> None:
    kinds = (("string", '"a"'), ("plain", ",&nbsp;"), ("value", "1"))
    words = "".join(f'<code class="java {kind}">{word}</code>' for kind, word in kinds)
    cells = f'<td class="gutter"><div>17</div></td><td><div>f({words})</div></td>'
    found = html_text(f"<main>{PROSE}<table><tr>{cells}</tr></table></main>")
    assert 'f("a",\xa01)' in found
    assert "17" not in found


@pytest.mark.parametrize(
    "article",
    [
        '<div><div itemprop="articleBody">{}</div></div>',
        '<div class="entry-content clear">{}</div>',
        "<article>{}</article><article><p>A teaser.</p></article>",
    ],
)
def test_of_a_page_that_names_its_article_nothing_else_is_read(article: str) -> None:
    around = (
        "<h2>Elsewhere</h2><p>A long sentence about another story, which has nothing to do with this one.</p>"
    )
    within = '<div class="newsletter-box"><p>Sign up for our letter, it is free of charge.</p></div>'
    said = "".join(f"{PROSE}<p>Paragraph {number} of it.</p>" for number in range(12))
    page = f"<body>{around}{article.format(said + within)}{around}</body>"
    found = html_text(page)
    assert found.count("Paragraph") == 12
    for gone in ("Elsewhere", "another story", "our letter", "teaser"):
        assert gone not in found


def test_a_wrapper_with_a_telling_name_is_no_boilerplate() -> None:
    said = "".join(f"{PROSE}<p>Paragraph {number} of it.</p>" for number in range(12))
    assert html_text(f'<body><div class="social-wrapper">{said}</div></body>').count("Paragraph") == 12


def test_unclosed_formulas_are_passed_over() -> None:
    assert "end" in html_text("<p>" + "<math alttext='x'>" * 20_000 + " end")


def test_code_keeps_its_lines_and_menus_go() -> None:
    code = 'def f():\n    <span class="hljs-comment"># One.</span>\n    return 1'
    page = f"<nav><a href=/>Home</a></nav><main>{PROSE}<pre>{code}</pre></main>"
    found = html_text(f"<body>{page}<footer>Imprint</footer>")
    assert "def f():\n    # One.\n    return 1" in found
    assert "Home" not in found
    assert "Imprint" not in found


def test_bytes_that_are_no_text_do_no_harm() -> None:
    for body in (b"", b"\xff\xfe\x00", b"<" * 5000, b"<div>" * 5000, bytes(range(256)) * 20):
        page_text(body)
        page_text(body, "no-such-encoding")


def test_pictures_that_are_no_formulas_are_not_taken_for_some() -> None:
    page = f'<img alt="an avatar" src="/mathforum/latex.png"><math alttext="x"></math>{PROSE}'
    assert "$an avatar$" not in html_text(f"<body><main>{page}</main>")
