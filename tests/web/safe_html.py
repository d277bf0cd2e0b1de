"""What rendered Markdown may be made of, judged by another parser than the one that cleaned it."""

from html.parser import HTMLParser

from web.mathematics import MATHML_ATTRIBUTES, MATHML_TAGS

TAGS = {
    *("p", "br", "hr", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong"),
    *("s", "a", "table", "thead", "tbody", "tr", "th", "td", "span", "div"),
    *MATHML_TAGS,
}
ATTRIBUTES = {"dir", "class", "start", "href", "title", "target", "rel", "tabindex", *MATHML_ATTRIBUTES}
SCHEMES = ("http://", "https://", "mailto:")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.problems.append(f"<{tag}>")
        for name, value in attributes:
            if name not in ATTRIBUTES:
                self.problems.append(f"{name} of <{tag}>")
            if name == "href" and not (value or "").lower().startswith(SCHEMES):
                self.problems.append(f"href {value!r}")

    def handle_comment(self, data: str) -> None:
        self.problems.append(f"comment {data!r}")

    def handle_decl(self, decl: str) -> None:
        self.problems.append(f"declaration {decl!r}")


def problems_of(html: str) -> list[str]:
    """What is in `html` that must not be; empty if it is safe."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.problems
