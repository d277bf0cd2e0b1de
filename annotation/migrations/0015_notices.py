"""Whoever keeps the model servers is told when releases change."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER release_notice AFTER INSERT OR UPDATE OR DELETE ON annotation_release
    FOR EACH STATEMENT EXECUTE FUNCTION accord_deployments_notify();
"""


class Migration(migrations.Migration):
    dependencies = [("annotation", "0014_releases"), ("registry", "0003_notices")]
    operations = [migrations.RunSQL(FORWARD, "DROP TRIGGER release_notice ON annotation_release;")]
