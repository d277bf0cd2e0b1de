"""The data gate between collecting and the snapshot; rounds of before have passed it unasked."""

from django.db import migrations, models
from django.db.models import F


def add_to_rounds(apps, schema_editor):
    """Rounds launched before pass the data gate, where they have not yet begun to train as well."""
    Round = apps.get_model("alignment", "Round")
    Stage = apps.get_model("alignment", "Stage")
    without = Round.objects.exclude(stages__name="data_gate")
    ids = list(without.values_list("pk", flat=True))
    Stage.objects.filter(round__in=ids, position__gte=1).update(position=F("position") + 1)
    note = {"problems": [], "note": "The round was launched before there was a data gate."}
    Stage.objects.bulk_create(
        Stage(round_id=pk, name="data_gate", position=1, state="finished", result=note) for pk in ids
    )


def take_from_rounds(apps, schema_editor):
    """Before this there was no such stage."""
    Stage = apps.get_model("alignment", "Stage")
    Stage.objects.filter(name="data_gate").delete()
    Stage.objects.filter(position__gte=2).update(position=F("position") - 1)


class Migration(migrations.Migration):

    dependencies = [
        ("alignment", "0004_reuse_and_runs"),
    ]

    operations = [
        migrations.AlterField(
            model_name="stage",
            name="name",
            field=models.CharField(
                choices=[
                    ("collect", "Collect"),
                    ("data_gate", "data gate"),
                    ("snapshot", "Snapshot"),
                    ("reward_model", "reward model"),
                    ("rejection_sampling", "rejection sampling"),
                    ("sft", "SFT"),
                    ("dpo", "DPO"),
                    ("averaging", "Averaging"),
                    ("evaluation", "Evaluation"),
                    ("gate", "Gate"),
                    ("deploy", "Deploy"),
                ],
                max_length=24,
            ),
        ),
        migrations.RunPython(add_to_rounds, take_from_rounds),
    ]
