"""What finished programs left behind, found again by what it was made from."""

from django.db import models


class Artifact(models.Model):
    """The outputs of one finished run folder, for whoever is about to compute the same again."""

    fingerprint = models.CharField(max_length=64, db_index=True)
    program = models.ForeignKey("alignment.Program", on_delete=models.CASCADE, related_name="artifacts")
    folder = models.TextField(unique=True, help_text="The run folder.")
    outputs = models.JSONField(help_text='By field of the configuration: {"path", "hash"}.')
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"artifact {self.fingerprint[:12]}"


class Content(models.Model):
    """The content hash of a file or folder, kept for as long as its size and times stay what they are."""

    path = models.TextField(unique=True)
    signature = models.CharField(max_length=64)
    content_hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"content of {self.path}"
