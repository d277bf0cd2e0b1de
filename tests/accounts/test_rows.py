"""Statements by hand: prepared by the server, and the same one whatever the size of a number."""

import pytest
from django.db import connection

from accounts.models import Role, User
from accounts.rows import columns, fetch_one, load
from accounts.services import user_create

pytestmark = pytest.mark.django_db

ECHO = "SELECT %(number)s + 1 AS accord_echo"


def test_a_statement_that_comes_often_is_prepared_once_whatever_its_numbers() -> None:
    for number in (1, 2**20, 2**40, -5, 7, 0, 2**50):
        assert fetch_one(ECHO, {"number": number}) == (number + 1,)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%+ 1 AS accord_echo'"
        )
        assert cursor.fetchone() == (1,)


def test_an_instance_read_by_hand_is_as_good_as_one_of_the_orm() -> None:
    made = user_create(username="ada", role=Role.REVIEWER)
    row = fetch_one(f"SELECT {columns(User, 'u')} FROM accounts_user u WHERE id = %(id)s", {"id": made.pk})
    assert row is not None
    read = load(User, row)
    assert read == made and read.is_reviewer and not read._state.adding
    read.email = "ada@example.org"
    read.save()
    assert User.objects.get(pk=made.pk).email == "ada@example.org"
