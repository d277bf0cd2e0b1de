"""The table of the cache that all web processes share: as `createcachetable` makes it."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_token_scopes'),
    ]

    operations = [
        migrations.RunSQL(
            sql=[
                'CREATE TABLE accounts_cache ('
                'cache_key varchar(255) NOT NULL PRIMARY KEY, value text NOT NULL, expires timestamptz NOT NULL)',
                'CREATE INDEX accounts_cache_expires ON accounts_cache (expires)',
            ],
            reverse_sql='DROP TABLE accounts_cache',
        ),
    ]
