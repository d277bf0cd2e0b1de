"""What a dry run found, as lines of text."""

from alignment.dry_run import PlannedProgram
from alignment.forecast.shown import size
from alignment.planned import PlannedRound


def planned_table(planned: PlannedRound) -> str:
    """A line a program: where it is, what it would do, how long the last such took. Then the forecast."""
    names = [f"{program.stage}/{program.name}" for program in planned.programs]
    width = max(map(len, names), default=0)
    lines = [
        f"{name:<{width}}  {_what(program)}" for name, program in zip(names, planned.programs, strict=True)
    ]
    forecast = planned.forecast
    seconds = forecast.seconds
    lines += [
        f"The rest takes {seconds.expected:,.0f} s ({seconds.low:,.0f} to {seconds.high:,.0f}).",
        f"Disk: {size(forecast.disk_bytes)} stay, {size(forecast.disk_peak)} at most, "
        f"{size(forecast.disk_free)} free.",
    ]
    return "\n".join(lines)


def _what(program: PlannedProgram) -> str:
    if program.does == "reuse":
        return "is taken over"
    took = "" if program.seconds is None else f", the last took {program.seconds:,.0f} s"
    return (f"depends on {program.depends_on}" if program.does == "depends" else "runs") + took
