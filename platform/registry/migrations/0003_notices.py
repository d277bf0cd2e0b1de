"""Whoever keeps the model servers is told when deployments change, whatever changes them."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION accord_deployments_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('accord_deployments', '');
    RETURN NULL;
END $$;
CREATE TRIGGER deployment_notice AFTER INSERT OR UPDATE OR DELETE ON registry_deployment
    FOR EACH STATEMENT EXECUTE FUNCTION accord_deployments_notify();
"""

BACKWARD = """
DROP TRIGGER deployment_notice ON registry_deployment;
DROP FUNCTION accord_deployments_notify();
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0002_releases")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
