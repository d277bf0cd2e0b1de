"""A site whose database is away says so, with a status that tells programs to ask again."""

import psycopg
import pytest
from django.db import connection
from django.test import Client

from accounts.models import Role
from accounts.services import token_create, user_create

pytestmark = pytest.mark.django_db(transaction=True)


def lose_connection() -> None:
    """End the server's side of this process's connection, as a restart of PostgreSQL does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    parameters = connection.get_connection_params()
    wanted = ("dbname", "user", "password", "host", "port")
    with psycopg.connect(**{name: parameters[name] for name in wanted if name in parameters}) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


@pytest.mark.parametrize("path", ["/", "/api/v1/projects"])
def test_a_lost_database_is_an_answer_that_tells_to_ask_again(path: str) -> None:
    user = user_create(username="maria", role=Role.ADMIN)
    _, token = token_create(user, name="test")
    client = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {token}"})
    client.force_login(user)
    lose_connection()
    answer = client.get(path)
    connection.close()
    assert answer.status_code == 503
    assert answer["Retry-After"] == "1"
    assert "The database is away" in answer.content.decode()
    assert client.get(path).status_code == 200
