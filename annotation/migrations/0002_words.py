"""How many words prompts, contexts and responses have, counted by the database as they are written.

The functions name everything by its schema: a restored dump counts with an empty search path.
"""

import django.db.models.expressions
from django.db import migrations, models

SPACE = "\\u0009-\\u000d\\u001c-\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200b\\u2028\\u2029\\u202f\\u205f\\u3000"
SCRIPT = "\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\U00020000-\\U0003ffff"
WORD = f"[{SCRIPT}]|[^{SPACE}{SCRIPT}]+"

FUNCTION = "LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS"
MESSAGES = "pg_catalog.jsonb_path_query(context, 'lax $[*]') message"


def words(text: str) -> str:
    return f"pg_catalog.regexp_matches({text}, '{WORD}', 'g')"


CREATE = f"""
CREATE FUNCTION accord_words(content text) RETURNS integer {FUNCTION} $$
SELECT pg_catalog.count(*)::integer FROM {words("content")} $$;
CREATE FUNCTION accord_context_words(context jsonb) RETURNS integer {FUNCTION} $$
SELECT pg_catalog.count(*)::integer FROM {MESSAGES}, {words("message->>'content'")} $$;
CREATE FUNCTION accord_prompt_words(context jsonb) RETURNS integer {FUNCTION} $$
SELECT pg_catalog.count(*)::integer FROM {words("context->-1->>'content'")} $$;
CREATE FUNCTION accord_turns(context jsonb) RETURNS integer {FUNCTION} $$
SELECT pg_catalog.count(*)::integer FROM {MESSAGES} WHERE message->>'role' = 'user' $$;
"""
DROP = """
DROP FUNCTION accord_words(text);
DROP FUNCTION accord_context_words(jsonb);
DROP FUNCTION accord_prompt_words(jsonb);
DROP FUNCTION accord_turns(jsonb);
"""


def counted(field: str, function: str) -> models.GeneratedField:
    return models.GeneratedField(
        db_persist=True,
        expression=django.db.models.expressions.Func(
            django.db.models.expressions.F(field), function=function
        ),
        output_field=models.IntegerField(),
    )


class Migration(migrations.Migration):
    dependencies = [("annotation", "0001_initial")]

    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.AddField("response", "num_words", counted("content", "accord_words")),
        migrations.AddField("comparison", "context_words", counted("context", "accord_context_words")),
        migrations.AddField("comparison", "prompt_words", counted("context", "accord_prompt_words")),
        migrations.AddField("comparison", "num_turns", counted("context", "accord_turns")),
    ]
