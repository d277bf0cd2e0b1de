"""All of curation beside its peers: `python -m tests.benchmarks.curation --filters P --pages P --json FILE`.

`--filters` is the Python of an environment with datatrove, `--pages` of one with Trafilatura (and
lxml_html_clean) and Resiliparse. Ours and theirs run one after another, on one thread, by CPU time.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks import curation_filters, curation_html
from tests.benchmarks.measuring import Case, write_report


def main() -> None:
    """Run all cases, print them and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filters", type=Path, required=True, help="a Python that has datatrove")
    parser.add_argument("--pages", type=Path, required=True, help="a Python that has the HTML peers")
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    found = curation_filters.cases(options.filters, curation_filters.read_texts())
    pages = curation_html.read_pages()
    html_cases, quality = curation_html.cases(options.pages, pages)
    found += html_cases
    write_report(options.json, found, html_quality=quality)
    Console().print(speed_table(found), quality_table(quality))


def speed_table(found: list[Case]) -> Table:
    """The peer's CPU time over ours."""
    table = Table("case", "peer's CPU time over ours")
    for case in found:
        table.add_row(case.name, f"{case.ratio:.2f}")
    return table


def quality_table(quality: dict[str, dict[str, float]]) -> Table:
    """A row for each figure, a column for each extractor."""
    table = Table("HTML to text", *quality)
    for figure in next(iter(quality.values())):
        table.add_row(figure, *(f"{said[figure]:.3f}" for said in quality.values()))
    return table


if __name__ == "__main__":
    main()
