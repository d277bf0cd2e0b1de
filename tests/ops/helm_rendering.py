"""`.venv/ops/bin/python helm_rendering.py CHART < values.json`: what Helm's own library makes of the chart.

Comes out: JSON of the rendered files by name, and of what Helm's linter finds. A refusal ends with status 1
and Helm's sentence. Runs in the checkers' environment, not in the tests'.
"""

import json
import sys

import helm_python


def main() -> int:
    """Render the chart with the values of standard input."""
    chart, values = sys.argv[1], json.load(sys.stdin)
    with helm_python.Chart.load(chart) as loaded:
        try:
            rendered = loaded.render(values, name="site", namespace="accord")
        except helm_python.HelmError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    found = helm_python.lint(chart, values, strict=True)["messages"]
    json.dump({"rendered": rendered, "found": found}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
