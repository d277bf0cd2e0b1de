"""No migration since the previous release holds up those who write, or breaks that release's processes.

While a site is upgraded, processes of both releases work on one database. So nothing that the old ones use
may go, they may insert rows without knowing of new columns, and no table that grows is locked while it is
read or rewritten.
"""

from collections.abc import Iterator
from typing import Any

from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import ForeignKey, GeneratedField, ManyToManyField, Value
from django.db.models.fields import NOT_PROVIDED

from tests.upgrade.releases import MIGRATIONS

LARGE = {
    *("accounts.auditentry", "accounts.auditseal"),
    *("alignment.program", "alignment.content", "alignment.gatepair"),
    *("annotation.assignment", "annotation.comparison", "annotation.dialog", "annotation.edit"),
    *("annotation.judgement", "annotation.pairrequest", "annotation.prompt", "annotation.refinement"),
    *("annotation.response", "reviewing.revieweddocument", "reviewing.reading", "webhooks.delivery"),
}
"""Tables that grow with the work: building an index or checking a constraint takes as long as they are."""

HARMLESS = {
    *("blank", "choices", "db_default", "default", "editable", "error_messages", "help_text", "related_name"),
    *("validators", "verbose_name"),
}
"""What may change of a field: nothing of its column but the default of rows to come."""

ACCEPTED = {
    ("accounts", "0002_audit_chain", "RunSQL"): "makes a function and triggers: nothing is read or rewritten",
    ("accounts", "0005_cache", "RunSQL"): "makes a table of its own",
}
"""What cannot be judged by a rule, and why it does no harm."""

GONE = (operations.RemoveField, operations.DeleteModel, operations.RenameField, operations.RenameModel)


def test_migrations_since_the_previous_release_are_safe() -> None:
    found = [
        f"{migration.app_label}.{migration.name}: {problem}"
        for migration, operation, before in operations_since()
        for problem in problems(migration, operation, before)
    ]
    assert not found, "\n".join(found)


def test_every_rule_objects_to_what_it_should() -> None:
    from django.db import models

    state = MigrationLoader(None).project_state()
    migration = Migration("9999_test", "annotation")
    index = models.Index(fields=["created_at"], name="x")
    check = models.CheckConstraint(condition=models.Q(pk__gt=0), name="x")
    judgement, random = "judgement", models.Func(function="gen_random_uuid")
    refused: list[Operation] = [
        operations.AddField(judgement, "x", models.IntegerField()),
        operations.AddField(judgement, "x", models.IntegerField(default=1)),
        operations.AddField(judgement, "x", models.UUIDField(db_default=random)),
        operations.AddField(
            judgement, "x", models.ForeignKey("accounts.User", models.SET_NULL, null=True, related_name="+")
        ),
        operations.AlterField(judgement, "comment", models.CharField(max_length=3)),
        operations.AlterField(judgement, "seconds", models.FloatField()),
        operations.RemoveField(judgement, "comment"),
        operations.RenameField(judgement, "comment", "words"),
        operations.AddIndex(judgement, index),
        operations.AddConstraint(judgement, check),
        operations.RunPython(lambda apps, editor: None),
        operations.RunSQL("SELECT 1"),
    ]
    taken: list[Operation] = [
        operations.AddField(judgement, "x", models.IntegerField(null=True)),
        operations.AddField(judgement, "x", models.IntegerField(default=1, db_default=1)),
        operations.AlterField(judgement, "comment", models.TextField(blank=True, help_text="words")),
        operations.AddIndex("project", index),
        operations.AddConstraint("project", check),
    ]
    assert [each for each in refused if not list(problems(migration, each, state))] == []
    assert [each for each in taken if list(problems(migration, each, state))] == []


def operations_since() -> Iterator[tuple[Migration, Operation, ProjectState]]:
    """The operations of this release, each with the state before it; those on its own new tables left out."""
    loader = MigrationLoader(None)
    state = ProjectState()
    made: set[str] = set()
    before = {node for app, name in MIGRATIONS.items() for node in loader.graph.forwards_plan((app, name))}
    leaves = loader.graph.leaf_nodes()
    plan = [node for leaf in leaves for node in loader.graph.forwards_plan(leaf)]
    for node in dict.fromkeys(plan):
        migration = loader.graph.nodes[node]
        app = migration.app_label
        for operation in migration.operations:
            was = state.clone()
            operation.state_forwards(app, state)
            if node in before or app not in MIGRATIONS:
                continue
            if isinstance(operation, operations.CreateModel):
                made.add(f"{app}.{operation.name.lower()}")
            elif f"{app}.{getattr(operation, 'model_name', '').lower()}" not in made:
                yield migration, operation, was


def problems(migration: Migration, operation: Operation, before: ProjectState) -> Iterator[str]:
    """What is wrong with one operation, and what to do instead."""
    kind = type(operation).__name__
    if (migration.app_label, migration.name, kind) in ACCEPTED:
        return
    model = str(getattr(operation, "model_name", getattr(operation, "name", ""))).lower()
    table = f"{migration.app_label}.{model}"
    is_large = table in LARGE
    if isinstance(operation, GONE):
        yield f"{kind} of {table}: the previous release uses it; let it go with the next one."
    elif isinstance(operation, operations.AddField):
        yield from _added(operation.field, f"{table}.{operation.name}", is_large)
    elif isinstance(operation, operations.AlterField):
        field = before.models[migration.app_label, model].fields[operation.name]
        changed = _changed(field, operation.field)
        if changed:
            yield f"{table}.{operation.name}: {', '.join(sorted(changed))} change; add a field and fill it."
    elif kind == "AddIndex" and is_large:
        yield f"{table}: use AddIndexConcurrently in a migration that is not atomic."
    elif kind == "AddConstraint" and is_large:
        yield f"{table}: use AddConstraintNotValid, and ValidateConstraint in another migration."
    elif isinstance(operation, operations.RunPython) and migration.atomic:
        yield "RunPython in one transaction: be not atomic, and write in batches."
    elif isinstance(operation, operations.RunSQL):
        yield "RunSQL: say in ACCEPTED why it holds nobody up."
    elif isinstance(operation, operations.AlterUniqueTogether | operations.AlterModelTable):
        yield f"{kind} of {table}: the previous release does not know of it."


def _added(field: Any, name: str, is_large: bool) -> Iterator[str]:  # Any: of any kind
    if isinstance(field, ManyToManyField):
        return
    if isinstance(field, GeneratedField):
        yield f"{name}: a generated column rewrites its table."
    elif field.db_default is not NOT_PROVIDED and not isinstance(field.db_default, int | str | float | Value):
        yield f"{name}: its default is worked out for each row; add it without, then AlterField."
    elif not field.null and field.db_default is NOT_PROVIDED:
        yield f"{name}: the previous release inserts rows without it; give it a db_default or null."
    if is_large and (field.unique or field.db_index):
        yield f"{name}: its index is built while writers wait; db_index=False, then AddIndexConcurrently."
    elif is_large and isinstance(field, ForeignKey) and getattr(field, "db_constraint", True):
        yield f"{name}: its constraint is checked while writers wait; db_constraint=False."


def _changed(before: Any, after: Any) -> set[str]:  # Any: fields of any kind
    """Names of what of the column changes."""
    was, now = before.deconstruct(), after.deconstruct()
    if was[1] != now[1]:
        return {"type"}
    names = {name for name in {*was[3], *now[3]} if was[3].get(name) != now[3].get(name)} - HARMLESS
    longest = (was[3].get("max_length"), now[3].get("max_length"))
    if longest[0] is not None and (longest[1] is None or longest[1] >= longest[0]):
        names.discard("max_length")
    return names
