"""The site behind a real nginx: TLS, cookies, static files, uploads, live events, who a client really is."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from accord.env import REPOSITORY
from accounts.models import Role
from accounts.services import user_create
from live.publishing import publish
from tests.conftest import FOLDER
from tests.ops.nginx import HOST, Proxied, proxied_site

pytestmark = [pytest.mark.ops, pytest.mark.django_db(transaction=True)]

PASSWORD = "a quiet morning in June"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
MIB = 1 << 20


@pytest.fixture
def site(
    process_environment: dict[str, str], broker: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    with proxied_site(tmp_path_factory.mktemp("nginx"), process_environment) as found:
        yield found


def log_in(client: httpx.Client, name: str) -> httpx.Response:
    token = TOKEN.search(client.get("/login/").text)
    assert token is not None
    form = {"csrfmiddlewaretoken": token[1], "login": name, "password": PASSWORD}
    return client.post("/login/", data=form)


def requests_logged(site: Proxied) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in site.web_log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["logger"] == "accord.requests"]


def test_a_site_behind_nginx(site: Proxied) -> None:
    user_create(username="boss", password=PASSWORD, role=Role.ADMIN)

    # Plain HTTP leads to TLS; another name gets nothing.
    plain = httpx.get(f"http://127.0.0.1:{site.http}/models/?a=b", headers={"Host": HOST})
    assert (plain.status_code, plain.headers["Location"]) == (308, f"https://{HOST}:{site.https}/models/?a=b")
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"http://127.0.0.1:{site.http}/", headers={"Host": "evil.example"})

    with site.client(address="127.0.0.7") as client:
        # TLS ends here and Django knows: HSTS, cookies for TLS alone, forms of this origin.
        page = client.get("/login/", headers={"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "http"})
        assert page.status_code == 200
        assert "max-age=31536000" in page.headers["Strict-Transport-Security"]
        assert "Server" not in page.headers or "/" not in page.headers["Server"]
        answer = log_in(client, "boss")
        assert answer.status_code == 302, answer.text
        cookies = answer.headers.get_list("Set-Cookie")
        assert all("Secure" in cookie for cookie in cookies)
        assert any("sessionid" in cookie and "HttpOnly" in cookie for cookie in cookies)
        forged = client.post("/account/", data={"name": "x"}, headers={"Referer": "https://evil.example/"})
        assert forged.status_code == 403

        # Static files come from nginx itself, zipped beforehand.
        style = client.get("/static/web/tokens.css", headers={"Accept-Encoding": "gzip"})
        assert style.status_code == 200
        assert (style.headers["Content-Encoding"], style.headers["Content-Type"]) == ("gzip", "text/css")
        assert "X-Request-ID" not in style.headers
        assert client.get("/static/../manage.py").status_code in (400, 404)
        assert client.get("/api/v1/metrics").status_code == 404

        # A form has its limit, a file one of its own, and both are refused before Django reads them.
        assert client.post("/account/", content=b"x" * (11 * MIB)).status_code == 413
        large = {"file": ("p.jsonl", b'{"prompt": "a"}\n' * (MIB * 12 // 16))}
        sent = client.post("/projects/nowhere/prompts/", files=large)
        assert sent.status_code in (403, 404)
        assert site.announced("/projects/nowhere/data/import/", 211 * MIB).startswith("HTTP/1.1 413")

        # Events arrive while the answer is open, one by one.
        with client.stream("GET", "/events/", params={"topics": "rounds"}) as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            lines = stream.iter_lines()
            for line in lines:
                if line.startswith("data:") and "rounds" in line:
                    break
                publish("rounds")
            assert not stream.is_closed

    # The address is the one that nginx saw, whatever the client says of itself.
    logged = [line for line in requests_logged(site) if line["route"] == "/login/"]
    assert {line["client"] for line in logged} == {"127.0.0.7"}
    assert all(re.fullmatch("[0-9a-f]{32}", str(line["request"])) for line in logged)


def test_a_value_that_would_end_a_directive_is_refused() -> None:
    told = ["--host", "a;b", "--certificate", "c", "--key", "k", "--static", "s"]
    done = subprocess.run(
        [sys.executable, "-m", "deploy.proxy", *told], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "ACCORD_HOST cannot be 'a;b'" in done.stderr


def test_the_web_server_says_in_a_sentence_what_is_missing() -> None:
    command = [sys.executable, "-m", "deploy.production.web", "--listen", "127.0.0.1:1"]
    nothing = {"PATH": "/usr/bin:/bin", "ACCORD_VAR": str(FOLDER / "nowhere")}
    done = subprocess.run(command, cwd=REPOSITORY, env=nothing, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "DATABASE_URL is not set" in done.stderr
    beyond = {**nothing, "DATABASE_URL": "postgresql:///", "REDIS_URL": "redis://", "SECRET_KEY": "x"}
    done = subprocess.run(
        command, cwd=REPOSITORY, env={**beyond, "ALLOWED_HOSTS": HOST}, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "HTTPS is not set" in done.stderr
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**beyond, "OIDC_ISSUER": "https://id.example.org"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "OIDC_ISSUER is set and OIDC_CLIENT_ID is not" in done.stderr
