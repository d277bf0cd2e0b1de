"""Markdown of strangers becomes HTML that shows what they wrote and does nothing else."""

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.web.safe_html import problems_of
from web.markdown import MAX_CHARACTERS, render_markdown
from web.mathematics import latex_to_mathml

ROBUSTNESS = Path(__file__).resolve().parents[3] / "shared" / "data" / "robustness"
HOSTILE = ("markdown_xss", "xss_payloads", "naughty_strings")


def hostile_texts(name: str) -> Iterator[str]:
    """The texts of one file of hostile input."""
    path = ROBUSTNESS / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield next(iter(json.loads(line).values()))


def wrapped(text: str, index: int) -> str:
    """`text` in one of the places where Markdown treats it differently."""
    places = ("[x]({})", "`{}`", "$\\text{{{}}}$", "```html\n{}\n```", "> {}", "| a |\n|---|\n| {} |")
    return places[index % len(places)].format(text)


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_executable_comes_out_of_hostile_input(name: str) -> None:
    texts = list(hostile_texts(name))
    assert texts
    for index, text in enumerate(texts):
        assert problems_of(render_markdown(text)) == [], text
        assert problems_of(render_markdown(wrapped(text, index))) == [], text


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="<>&\"'`*_[]()!$\\{}#-|:/\n ax1😀م", max_size=80))
def test_nothing_executable_comes_out_of_any_mix_of_special_characters(text: str) -> None:
    assert problems_of(render_markdown(text)) == []


def test_raw_html_stays_visible_as_text() -> None:
    assert "&lt;b&gt;bold&lt;/b&gt;" in render_markdown("<b>bold</b>")


def test_an_image_becomes_a_link_and_is_not_fetched() -> None:
    html = render_markdown("![a cat](https://example.org/cat.png)")
    assert "<img" not in html
    assert 'href="https://example.org/cat.png"' in html
    assert ">a cat</a>" in html


def test_a_script_link_is_no_link() -> None:
    assert "<a" not in render_markdown("[a](javascript:alert(1)) [b](vbscript:x) [c](data:text/html,x)")


def test_relative_links_lead_nowhere() -> None:
    assert "href" not in render_markdown("[log out](/logout/)")


def test_code_is_highlighted_and_reads_from_left_to_right() -> None:
    html = render_markdown("```python\ndef f(): pass\n```")
    assert '<pre class="highlight" dir="ltr" tabindex="0">' in html
    assert '<span class="k">def</span>' in html


def test_code_in_an_unknown_language_is_shown_as_it_is() -> None:
    assert "&lt;x&gt; y" in render_markdown("```no-such-language\n<x> y\n```")


@pytest.mark.parametrize(
    "text", ["$E = mc^2$", "$$E = mc^2$$", "\\(E = mc^2\\)", "\\[E = mc^2\\]", "```math\nE = mc^2\n```"]
)
def test_each_way_of_writing_a_formula_becomes_mathml(text: str) -> None:
    html = render_markdown(text)
    assert "<msup><mi>c</mi><mn>2</mn></msup>" in html


def test_a_formula_on_lines_of_its_own_ends_the_paragraph_before_it() -> None:
    html = render_markdown("We know that\n\\[\nx = 1\n\\]\nand so on.")
    assert html.count("<p") == 2
    assert '<math display="block">' in html


@pytest.mark.parametrize(
    "text", ["from $5 to $10", "it costs 5$ or 6$", "$ 5 and 6 $", "\\$5 and $6", "US$ and CA$"]
)
def test_prices_are_no_formulas(text: str) -> None:
    assert "<math" not in render_markdown(text)


def test_a_formula_that_cannot_be_read_stays_as_it_was_written() -> None:
    html = render_markdown("so $\\left( x$ is")
    assert 'so <code class="math-source">\\left( x</code> is' in html


def test_text_in_a_formula_is_escaped() -> None:
    mathml = latex_to_mathml("\\text{<script>alert(1)</script>}", display=False)
    assert mathml is not None
    assert "<script" not in mathml


def test_a_formula_can_carry_no_link_and_no_huge_space() -> None:
    mathml = latex_to_mathml("\\href{javascript:alert(1)}{x} \\hspace{9999em} y", display=False)
    assert mathml is not None
    assert "javascript" not in mathml
    assert "9999" not in mathml


def test_definitions_in_formulas_are_not_expanded() -> None:
    bomb = "\\newcommand{\\a}{xx}" + "".join(
        f"\\newcommand{{\\{name}}}{{\\{before}\\{before}}}"
        for before, name in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    assert latex_to_mathml(bomb + "\\k", display=False) is None


def test_each_block_has_its_own_direction() -> None:
    html = render_markdown("Hello\n\nمرحبا\n\n- one\n\n| a |\n|---|\n| b |")
    assert html.count('<p dir="auto">') == 2
    assert '<ul dir="auto">' in html
    assert '<td dir="auto">' in html


def test_headings_stand_below_those_of_the_page() -> None:
    html = render_markdown("# One\n\n## Two\n\n###### Six")
    assert "<h3" in html
    assert "<h4" in html
    assert "<h6" in html
    assert "<h1" not in html


def test_columns_are_aligned_without_style_attributes() -> None:
    html = render_markdown("| a | b |\n|:-:|--:|\n| 1 | 2 |")
    assert 'class="align-center"' in html
    assert 'class="align-end"' in html
    assert "style" not in html


def test_a_new_line_stays_a_new_line() -> None:
    assert "<br" in render_markdown("roses are red\nviolets are blue")


def test_a_text_too_long_to_format_is_shown_as_it_is() -> None:
    html = render_markdown("*a* <b> " * (MAX_CHARACTERS // 8 + 1))
    assert html.startswith('<pre class="plain"')
    assert "<b>" not in html


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "*a **b " * 3_000,
        "$" * 20_000,
        "$$ x\n" * 4_000,
        "\\(" * 10_000,
        "> " * 10_000,
        "![a](" * 4_000,
        "`" * 20_000,
        "$" + "{" * 1_000 + "}" * 1_000 + "$",
        "$" + "\\sqrt" * 700 + "$",
        "<" * 20_000,
        "&" * 20_000,
    ],
)
def test_text_made_to_be_slow_is_rendered_in_time(text: str) -> None:
    started = time.process_time()
    assert problems_of(render_markdown(text)) == []
    assert time.process_time() - started < 5
