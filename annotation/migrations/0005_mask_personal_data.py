from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annotation", "0004_plan")]

    operations = [
        migrations.AddField(
            model_name="project",
            name="mask_personal_data",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
