"""The chain over the audit log: its tables, what wrote each entry, and triggers that refuse changes.

Entries that are there keep NULL as their transaction: the column is added without a default, which would
rewrite the table, and gets one for those to come.
"""

import django.db.models.deletion
from django.db import migrations, models

import accounts.models

GUARD = """
CREATE FUNCTION accounts_audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    may_change CONSTANT text := CASE TG_TABLE_NAME WHEN 'accounts_auditentry' THEN 'data' ELSE 'salt' END;
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('accord.redacting', true) = 'on'
        AND to_jsonb(NEW) - may_change = to_jsonb(OLD) - may_change
    THEN
        RETURN NEW;
    END IF;
    IF TG_OP <> 'UPDATE' AND current_setting('accord.emptying', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'The audit log is only ever added to: % of % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_guard_rows BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION accounts_audit_guard();
CREATE TRIGGER audit_guard_all BEFORE TRUNCATE ON accounts_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_guard();
CREATE TRIGGER audit_guard_rows BEFORE UPDATE OR DELETE ON accounts_auditseal
    FOR EACH ROW EXECUTE FUNCTION accounts_audit_guard();
CREATE TRIGGER audit_guard_all BEFORE TRUNCATE ON accounts_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_guard();
"""
UNGUARD = """
DROP TRIGGER audit_guard_rows ON accounts_auditentry;
DROP TRIGGER audit_guard_all ON accounts_auditentry;
DROP TRIGGER audit_guard_rows ON accounts_auditseal;
DROP TRIGGER audit_guard_all ON accounts_auditseal;
DROP FUNCTION accounts_audit_guard();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditChain',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('cluster', models.CharField(blank=True, help_text='The database server that numbered the transactions.', max_length=32)),
                ('horizon', accounts.models.TransactionField(help_text='Every entry of an older transaction is in the chain.', null=True)),
                ('verified_at', models.DateTimeField(null=True)),
                ('verified_position', models.BigIntegerField(default=0)),
                ('problem', models.TextField(blank=True, help_text='What the last verification found broken.')),
            ],
        ),
        migrations.CreateModel(
            name='AuditSeal',
            fields=[
                ('position', models.BigIntegerField(help_text='Places in the chain count from 1.', primary_key=True, serialize=False)),
                ('salt', models.CharField(blank=True, help_text="Empty: the entry's data was redacted.", max_length=32)),
                ('digest', models.CharField(help_text="Of the salt and the entry's data.", max_length=64)),
                ('hash', models.CharField(help_text='Of the entry, the digest and the hash before.', max_length=64)),
                ('entry', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='seal', to='accounts.auditentry')),
            ],
            options={
                'ordering': ['position'],
            },
        ),
        migrations.AddField(
            model_name='auditentry',
            name='transaction',
            field=accounts.models.TransactionField(editable=False, help_text='What wrote it: what is older than every running transaction, no entry can come before.', null=True),
        ),
        migrations.AlterField(
            model_name='auditentry',
            name='transaction',
            field=accounts.models.TransactionField(db_default=models.Func(function='pg_current_xact_id', output_field=accounts.models.TransactionField()), editable=False, help_text='What wrote it: what is older than every running transaction, no entry can come before.', null=True),
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
