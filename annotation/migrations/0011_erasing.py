from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annotation", "0010_ahead")]

    operations = [
        migrations.AddField(
            model_name=model, name="erased_at", field=models.DateTimeField(blank=True, null=True)
        )
        for model in ("prompt", "comparison", "edit")
    ]
