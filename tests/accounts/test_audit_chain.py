"""The chain over the audit log: sealed while people write, verified, exported, and forgotten parts of it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client

from accord.env import REPOSITORY
from accounts.audit.chain import FIRST, ChainBroken, Head
from accounts.audit.redacting import entry_redact, redactions_record
from accounts.audit.sealing import audit_seal, head
from accounts.audit.verifying import audit_verify
from accounts.models import AuditChain, AuditEntry, AuditSeal, Role, User
from accounts.services import audit_record, user_create

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ann() -> User:
    return user_create(username="ann")


def write(user: User, num: int) -> list[int]:
    """So many entries; their numbers."""
    for number in range(num):
        audit_record(user, "thing.do", user, {"number": number, "share": 0.1, "word": "é\n"})
    return sorted(AuditEntry.objects.order_by("-pk").values_list("pk", flat=True)[:num])


@contextmanager
def someone_else() -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """Another connection to the same database, in a transaction of its own."""
    about = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    with psycopg.connect(**{name: about[name] for name in names if about.get(name)}) as other:
        yield other


def behind_our_backs(statement: str, *values: Any) -> None:  # Any: what psycopg can send
    """What somebody can do who owns the database: no trigger sees it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, values)


def test_entries_are_sealed_once_in_batches_and_verify(ann: User) -> None:
    write(ann, 11)
    assert audit_seal(batch=5) == 12
    assert audit_seal() == 0
    write(ann, 7)
    assert audit_seal(batch=3) == 7
    assert list(AuditSeal.objects.values_list("position", flat=True)) == list(range(1, 20))
    assert audit_verify().head == head()


def test_an_empty_log_verifies() -> None:
    assert audit_verify().head == Head(position=0, hash=FIRST)


def test_a_smaller_number_that_is_committed_late_comes_into_the_chain(ann: User) -> None:
    audit_seal()
    with someone_else() as late:
        late.execute(
            "INSERT INTO accounts_auditentry (action, subject_type, subject_id, data, created_at) "
            "VALUES ('late', '', '', '{}', now())"
        )
        (first, second) = write(ann, 2)
        # Nobody may come before them for as long as the other one runs.
        assert audit_seal() == 0
        late.commit()
    late_pk = AuditEntry.objects.get(action="late").pk
    assert late_pk < first < second
    assert audit_seal() == 3
    with someone_else() as late:
        pk = late.execute("SELECT nextval(pg_get_serial_sequence('accounts_auditentry', 'id'))").fetchone()
        assert pk is not None
        # One in 32 takes a transaction's number with it, which would hold the seal up.
        late.commit()
        write(ann, 1)
        assert audit_seal() == 1
        late.execute(
            "INSERT INTO accounts_auditentry (id, action, subject_type, subject_id, data, created_at) "
            "VALUES (%s, 'later', '', '', '{}', now())",
            pk,
        )
        late.commit()
    assert audit_seal() == 1
    newest = AuditSeal.objects.order_by("-position")[:2]
    assert newest[0].entry_id < newest[1].entry_id
    audit_verify()


def test_one_who_seals_does_not_wait_for_another(ann: User) -> None:
    with someone_else() as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [0x4155444954])
        assert audit_seal() == 0
    assert audit_seal() == 1


def test_on_another_server_the_chain_goes_on(ann: User) -> None:
    """Transactions are numbered anew there: those of the entries may be far ahead of its own, or behind."""
    write(ann, 3)
    audit_seal()
    pks = write(ann, 3)
    behind_our_backs("UPDATE accounts_auditentry SET transaction = '9000000000' WHERE id = %s", pks[0])
    behind_our_backs("UPDATE accounts_auditentry SET transaction = '1' WHERE id = %s", pks[1])
    AuditChain.objects.update(cluster="the server before")
    assert audit_seal(batch=2) == 3
    write(ann, 2)
    assert audit_seal() == 2
    assert audit_verify().head.position == 9


def test_the_first_broken_entry_is_named(ann: User) -> None:
    write(ann, 9)
    audit_verify()
    pks = list(AuditEntry.objects.order_by("pk").values_list("pk", flat=True))
    kept = head()

    def broken(sentence: str, statement: str, *values: object) -> None:
        saved = list(AuditEntry.objects.values_list("pk", "action", "data", "created_at"))
        seals = list(AuditSeal.objects.values("position", "entry_id", "salt", "digest", "hash"))
        behind_our_backs(statement, *values)
        with pytest.raises(ChainBroken, match=sentence):
            audit_verify(kept)
        assert AuditChain.objects.get().problem
        _put_back(saved, seals)
        audit_verify(kept)

    table = "accounts_auditentry"
    broken(
        f"data of entry {pks[3]} .place 4. was changed",
        f"UPDATE {table} SET data = '{{}}' WHERE id = %s",
        pks[3],
    )
    broken(f"Entry {pks[4]} .place 5. was changed", f"UPDATE {table} SET action = 'x' WHERE id = %s", pks[4])
    broken(f"Entry {pks[5]} .place 6. was deleted", f"DELETE FROM {table} WHERE id = %s", pks[5])
    broken(f"Entry {pks[5]} was inserted", "DELETE FROM accounts_auditseal WHERE entry_id = %s", pks[5])
    broken(
        "Place 6 of the chain is gone",
        f"WITH gone AS (DELETE FROM {table} WHERE id = %s RETURNING id) "
        "DELETE FROM accounts_auditseal WHERE entry_id IN (SELECT id FROM gone)",
        pks[5],
    )
    broken(
        f"data of entry {pks[6]} was changed: no erasure",
        f"WITH changed AS (UPDATE {table} SET data = '{{}}' WHERE id = %s RETURNING id) "
        "UPDATE accounts_auditseal SET salt = '' WHERE entry_id IN (SELECT id FROM changed)",
        pks[6],
    )
    broken(
        "ends at place 9, before place 10",
        f"WITH gone AS (DELETE FROM {table} WHERE id = %s RETURNING id) "
        "DELETE FROM accounts_auditseal WHERE entry_id IN (SELECT id FROM gone)",
        pks[9],
    )
    behind_our_backs(
        f"INSERT INTO {table} (action, subject_type, subject_id, data, created_at, transaction) "
        "VALUES ('forged', '', '', '{}', now(), '3')"
    )
    with pytest.raises(ChainBroken, match="was inserted"):
        audit_verify()


def _put_back(saved: Sequence[tuple[int, str, Any, Any]], seals: Sequence[Any]) -> None:
    user = User.objects.get()
    for pk, action, data, at in saved:
        behind_our_backs(
            "INSERT INTO accounts_auditentry (id, actor_id, action, subject_type, subject_id, data, "
            "created_at) SELECT %s, %s, %s, 'accounts.user', %s, %s, %s WHERE NOT EXISTS "
            "(SELECT FROM accounts_auditentry WHERE id = %s)",
            *(pk, user.pk, action, str(user.pk), json.dumps(data), at, pk),
        )
        behind_our_backs(
            "UPDATE accounts_auditentry SET action = %s, data = %s WHERE id = %s",
            action,
            json.dumps(data),
            pk,
        )
    behind_our_backs("DELETE FROM accounts_auditseal")
    for seal in seals:
        AuditSeal.objects.create(**seal)


def test_the_database_refuses_changes(ann: User) -> None:
    audit_seal()
    with connection.cursor() as cursor:
        cursor.execute("SET accord.emptying = 'off'")
    try:
        for statement in (
            "UPDATE accounts_auditentry SET action = 'x'",
            "UPDATE accounts_auditentry SET data = '{}'",
            "DELETE FROM accounts_auditentry",
            "TRUNCATE accounts_auditentry CASCADE",
            "UPDATE accounts_auditseal SET hash = ''",
            "DELETE FROM accounts_auditseal",
            "TRUNCATE accounts_auditseal",
        ):
            with pytest.raises(DatabaseError, match="only ever added to"), connection.cursor() as cursor:
                cursor.execute(statement)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET accord.emptying")
    assert AuditEntry.objects.count() == AuditSeal.objects.count() == 1


@pytest.mark.parametrize("sealed_first", [True, False])
def test_what_is_forgotten_leaves_a_chain_that_verifies(ann: User, sealed_first: bool) -> None:
    (pk,) = write(ann, 1)
    audit_record(ann, "thing.do", ann, {"comment": "my aunt"})
    pk += 1
    if sealed_first:
        audit_verify()
    with transaction.atomic():
        redactions_record(None, ann, {pk: entry_redact(pk, {"comment": "[erased]"})})
    assert AuditEntry.objects.get(pk=pk).data == {"comment": "[erased]"}
    assert audit_verify().num_redacted == int(sealed_first)
    with transaction.atomic():
        redactions_record(None, ann, {pk: entry_redact(pk, {})})
    audit_verify()
    assert AuditSeal.objects.get(entry_id=pk).salt == ""
    behind_our_backs('UPDATE accounts_auditentry SET data = \'{"comment": "forged"}\' WHERE id = %s', pk)
    with pytest.raises(ChainBroken, match=f"entry {pk} was changed"):
        audit_verify()


def verified(path: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """What the documented command says, in a process without any settings."""
    return subprocess.run(
        [sys.executable, "-m", "accounts.audit.exported", str(path), *options],
        env={"PYTHONPATH": str(REPOSITORY / "platform")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_file_verifies_by_itself(ann: User, tmp_path: Path, ending: str) -> None:
    write(ann, 5)
    audit_seal()
    pk = AuditEntry.objects.order_by("pk")[2].pk
    with transaction.atomic():
        redactions_record(None, ann, {pk: entry_redact(pk, {"number": None})})
    path = tmp_path / f"audit.{ending}"
    call_command("audit", "export", "--out", str(path), verbosity=0)
    whole = verified(path, "--head", str(head()))
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout == f"7 entries, whole; 1 redacted. Head: {head()}\n"
    assert verified(path, "--head", f"9:{FIRST}").returncode == 1
    if ending == "jsonl":
        lines = path.read_text().splitlines()
        forged = [lines[0], lines[1].replace("thing.do", "thing.undo"), *lines[2:]]
        path.write_text("\n".join(forged))
        assert "(place 2) was changed" in verified(path).stderr
        path.write_text('{"position": 1}\n')
        assert "is no audit log" in verified(path).stderr


def test_the_command_verifies_and_refuses_in_a_sentence(
    ann: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("audit", "seal")
    assert f"Sealed 1 entries. Head: {head()}" in capsys.readouterr().out
    call_command("audit", "verify", "--head", str(head()))
    assert "1 entries, whole" in capsys.readouterr().out
    with pytest.raises(CommandError, match="another hash"):
        call_command("audit", "verify", "--head", f"1:{FIRST}")
    with pytest.raises(CommandError, match="no head of a chain"):
        call_command("audit", "verify", "--head", "abc")
    with pytest.raises(CommandError, match=r"ends in .jsonl or .parquet"):
        call_command("audit", "export", "--out", str(tmp_path / "audit.csv"))


def test_the_page_filters_and_shows_the_chain(ann: User, client: Client) -> None:
    admin = user_create(username="root", role=Role.ADMIN)
    client.force_login(admin)
    write(ann, 60)
    audit_verify()
    page = client.get("/audit/").content.decode()
    assert page.count("thing.do") == 50
    assert str(head()) in page
    assert "62 entries are sealed" in page
    older = f"/audit/?before={AuditEntry.objects.order_by('-pk')[49].pk}"
    assert older.partition("?")[2] in page
    assert client.get(older).content.decode().count("thing.do") == 10
    assert "user.create" in client.get("/audit/?what=user").content.decode()
    assert "No entry is like that" in client.get("/audit/?who=root").content.decode()
    assert "thing.do" in client.get(f"/audit/?subject=accounts.user+{ann.pk}").content.decode()
    assert "No entry is like that" in client.get("/audit/?until=2001-01-01").content.decode()
    assert client.get("/audit/?since=never").status_code == 422


def test_signing_in_and_out_and_djangos_admin_leave_entries(client: Client) -> None:
    root = user_create(username="root", role=Role.ADMIN, password="a long passphrase")
    ann = user_create(username="ann")
    client.post("/login/", {"login": "root", "password": "a long passphrase"})
    change = f"/admin/accounts/user/{ann.pk}/change/"
    form = client.get(change).context["adminform"].form
    values = {name: value for name, value in form.initial.items() if value not in (None, [], False)}
    values |= {"role": "reviewer", "date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    assert client.post(change, values).status_code == 302
    words = {"old_password": "a long passphrase", "new_password1": "another passphrase"}
    client.post("/account/password/", {**words, "new_password2": "another passphrase"})
    client.post("/logout/")
    told = list(AuditEntry.objects.filter(actor=root).order_by("pk").values_list("action", flat=True))
    assert told == ["user.login", "admin.change", "user.password", "user.logout"]
    entry = AuditEntry.objects.get(action="admin.change")
    assert (entry.subject_type, entry.subject_id) == ("accounts.user", str(ann.pk))
