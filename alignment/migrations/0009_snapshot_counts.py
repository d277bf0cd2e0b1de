"""What each snapshot holds, counted once; those that are there are counted now."""

from django.db import migrations, models

COUNT = """
UPDATE alignment_snapshot s SET counts = counted.rows FROM (
    SELECT snapshot_id, jsonb_agg(jsonb_build_array(annotator_id, domain, language, strength, round, number)) AS rows
    FROM (
        SELECT held.snapshot_id, j.annotator_id, p.domain, p.language, j.strength, c.round, count(*) AS number
        FROM alignment_snapshot_judgements held
        JOIN annotation_judgement j ON j.id = held.judgement_id
        JOIN annotation_comparison c ON c.id = j.comparison_id
        JOIN annotation_dialog d ON d.id = c.dialog_id
        JOIN annotation_prompt p ON p.id = d.prompt_id
        GROUP BY 1, 2, 3, 4, 5, 6
    ) grouped
    GROUP BY snapshot_id
) counted
WHERE counted.snapshot_id = s.id
"""


class Migration(migrations.Migration):

    dependencies = [
        ("alignment", "0008_forecasts"),
        ("annotation", "0016_licence"),
    ]

    operations = [
        migrations.AddField(
            model_name="snapshot",
            name="counts",
            field=models.JSONField(
                help_text="Its judgements, counted once (alignment.model_data); None: not yet.", null=True
            ),
        ),
        migrations.RunSQL(COUNT, migrations.RunSQL.noop),
    ]
