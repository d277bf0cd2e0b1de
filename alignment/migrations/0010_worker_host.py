"""Which process of which machine holds a program's lease."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("alignment", "0009_snapshot_counts"),
    ]

    operations = [
        migrations.AddField(
            model_name="program",
            name="worker",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="Who took the lease last (alignment.worker_identity): machine, process and its start.",
            ),
        ),
    ]
