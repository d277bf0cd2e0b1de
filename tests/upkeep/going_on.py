"""On another machine, after a restore: takes a round of scaled numbers to its end.

    python -m tests.upkeep.going_on ROUND

In: DATABASE_URL and ACCORD_VAR of that machine. Out: the round's state and result, as JSON.
"""

import json
import sys

import django
import pytest

from accord.env import settings_module_default


def main() -> None:
    """Work as the clock and the workers of the machine would."""
    settings_module_default()
    django.setup()
    from django.conf import settings

    from alignment.models import Round
    from tests.alignment.scaled_rounds import ScaledRounds, result, work

    with pytest.MonkeyPatch.context() as patch:
        ScaledRounds(settings.ACCORD_RUNS / "data", patch)
        round_ = Round.objects.get(pk=int(sys.argv[1]))
        stage = work(round_)
    told = {
        "state": round_.state,
        "result": result(stage),
        "attempts": dict(stage.programs.values_list("name", "attempt")),
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
