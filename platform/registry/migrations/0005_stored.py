from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("registry", "0004_licence")]

    operations = [
        migrations.AddField(
            model_name="checkpoint",
            name="stored_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
