"""What a dry run found, as lines of text."""

from alignment.dry_run import PlannedProgram


def planned_table(planned: list[PlannedProgram]) -> str:
    """A line a program: where it belongs, what it would do, how long the last such took."""
    names = [f"{program.stage}/{program.name}" for program in planned]
    width = max(map(len, names), default=0)
    return "\n".join(
        f"{name:<{width}}  {_what(program)}" for name, program in zip(names, planned, strict=True)
    )


def _what(program: PlannedProgram) -> str:
    if program.does == "reuse":
        return "is taken over"
    took = "" if program.seconds is None else f", the last took {program.seconds:,.0f} s"
    return (f"depends on {program.depends_on}" if program.does == "depends" else "runs") + took
