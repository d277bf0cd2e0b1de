"""What was forecast for a round when it was launched, and the timed trials that forecasts start from."""

from django.db import models


class RoundForecast(models.Model):
    """A round's forecast, as it stood at its launch."""

    round = models.OneToOneField("alignment.Round", on_delete=models.CASCADE, related_name="forecast")
    figures = models.JSONField(help_text="alignment.forecast.figures.Forecast.")
    override = models.JSONField(
        default=dict,
        help_text='Why it was launched all the same: {"by", "reason", "problems"}; or nothing.',
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"forecast of {self.round}"


class SpeedTrial(models.Model):
    """A few timed steps and tokens of a base, where no round has shown its speed yet."""

    class State(models.TextChoices):
        """Where a trial is."""

        REQUESTED = "requested"
        FINISHED = "finished"
        FAILED = "failed"

    key = models.CharField(
        max_length=64, unique=True, help_text="A hash of the base and of what the recipe says of its speed."
    )
    base = models.ForeignKey("registry.Checkpoint", on_delete=models.CASCADE, related_name="speed_trials")
    state = models.CharField(max_length=16, choices=State.choices, default=State.REQUESTED)
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    requested_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"speed of {self.base}"
