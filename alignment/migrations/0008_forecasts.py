"""What was forecast for each round, and the timed trials of bases."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("alignment", "0007_model_comparison"),
        ("registry", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="RoundForecast",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("figures", models.JSONField(help_text="alignment.forecast.figures.Forecast.")),
                (
                    "override",
                    models.JSONField(
                        default=dict,
                        help_text='Why it was launched all the same: {"by", "reason", "problems"}; or nothing.',
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "round",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="forecast", to="alignment.round"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SpeedTrial",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "key",
                    models.CharField(
                        help_text="A hash of the base and of what the recipe says of its speed.",
                        max_length=64,
                        unique=True,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("requested", "Requested"), ("finished", "Finished"), ("failed", "Failed")],
                        default="requested",
                        max_length=16,
                    ),
                ),
                ("result", models.JSONField(default=dict)),
                ("error", models.TextField(blank=True)),
                ("requested_at", models.DateTimeField()),
                (
                    "base",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="speed_trials",
                        to="registry.checkpoint",
                    ),
                ),
            ],
        ),
    ]
