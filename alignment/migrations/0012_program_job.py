from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("alignment", "0011_prediction_run")]

    operations = [
        migrations.AddField(
            model_name="program",
            name="job",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="The job of a cluster that runs it, such as slurm:17.",
            ),
        ),
    ]
