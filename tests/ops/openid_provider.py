"""A real OpenID provider for the tests: Debian's glewlwyd on loopback, in a folder, set up by its own API."""

import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.local.broker import free_port
from tests.ops.slurm_cluster import wait_until

TABLES = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
MODULES = Path("/usr/lib/glewlwyd")
CLIENT_ID, CLIENT_SECRET = "accord", "a secret between the two"
PASSWORD = "a quiet morning in June"
SESSION = "GLEWLWYD2_SESSION_ID"
CLAIMS = ("groups", "preferred_username", "email_verified")


@dataclass(frozen=True, kw_only=True)
class OpenIdProvider:
    """It runs."""

    url: str
    admin: httpx.Client

    @property
    def issuer(self) -> str:
        """As its discovery document says."""
        return f"{self.url}/api/oidc"

    def person(self, name: str, *, email: str, verified: bool, groups: Sequence[str] = ()) -> None:
        """Make somebody, or change them."""
        told = {
            **{"username": name, "password": PASSWORD, "name": name.title(), "email": email, "enabled": True},
            **{"scope": ["g_profile", "openid", "profile", "email"], "preferred_username": name},
            **{"groups": list(groups), "email_verified": "yes" if verified else "no"},
        }
        known = self.admin.get(f"/api/user/{name}").status_code == 200
        answer = (
            self.admin.put(f"/api/user/{name}", json=told)
            if known
            else self.admin.post("/api/user/", json=told)
        )
        assert answer.status_code == 200, answer.text

    def client_at(self, callback: str) -> None:
        """Tell it of a site."""
        told = {
            **{"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "confidential": True, "enabled": True},
            **{"name": "Accord", "redirect_uri": [callback], "authorization_type": ["code"]},
            **{"token_endpoint_auth_method": ["client_secret_basic", "client_secret_post"], "scope": []},
        }
        known = self.admin.get(f"/api/client/{CLIENT_ID}").status_code == 200
        answer = (
            self.admin.put(f"/api/client/{CLIENT_ID}", json=told)
            if known
            else self.admin.post("/api/client/", json=told)
        )
        assert answer.status_code == 200, answer.text

    def log_in(self, browser: httpx.Client, name: str) -> None:
        """What its login page does: the password, then the consent that the site may know who one is."""
        answer = browser.post(f"{self.url}/api/auth/", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        granted = browser.put(
            f"{self.url}/api/auth/grant/{CLIENT_ID}", json={"scope": "openid profile email"}
        )
        assert granted.status_code == 200, granted.text


@contextmanager
def openid_provider(folder: Path) -> Iterator[OpenIdProvider]:
    """Start it, with nobody in it but its own admin."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with sqlite3.connect(folder / "database") as database:
        database.executescript(TABLES.read_text())
    (folder / "glewlwyd.conf").write_text(_config(folder, url, port))
    command = ["glewlwyd", f"--config-file={folder / 'glewlwyd.conf'}"]
    with (folder / "out.txt").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until(lambda: _answers(url))
            with httpx.Client(base_url=url, timeout=30) as admin:
                login = admin.post("/api/auth/", json={"username": "admin", "password": "password"})
                assert login.status_code == 200, login.text
                _set_up(admin, url)
                yield OpenIdProvider(url=url, admin=admin)
        finally:
            server.terminate()
            server.wait(30)


def _config(folder: Path, url: str, port: int) -> str:
    return f"""
port={port}
bind_address="127.0.0.1"
external_url="{url}/"
login_url="login.html"
api_prefix="api"
log_mode="file"
log_level="WARNING"
log_file="{folder}/log.txt"
cookie_secure=0
session_expiration=3600
session_key="{SESSION}"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="{MODULES}/user"
user_middleware_module_path="{folder}"
client_module_path="{MODULES}/client"
user_auth_scheme_module_path="{MODULES}/scheme"
plugin_module_path="{MODULES}/plugin"
hash_algorithm="SHA512"
database = {{ type="sqlite3" path="{folder}/database" }};
"""


def _set_up(admin: httpx.Client, url: str) -> None:
    """Claims of people, the scopes, and the OpenID plugin with a key of its own."""
    module = admin.get("/api/mod/user/database").json()
    for claim in CLAIMS:
        module["parameters"]["data-format"][claim] = {
            **{"multiple": claim == "groups", "read": True, "write": True},
            **{"profile-read": True, "profile-write": False},
        }
    _done(admin.put("/api/mod/user/database", json=module))
    _done(admin.put("/api/mod/user/database/reset/"))
    for scope in ("openid", "profile", "email"):
        told = {"name": scope, "display_name": scope, "description": scope, "password_required": True}
        if admin.get(f"/api/scope/{scope}").status_code == 404:
            _done(admin.post("/api/scope/", json={**told, "password_max_age": 0, "scheme": {}}))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    parameters: dict[str, Any] = {
        **{"iss": f"{url}/api/oidc", "jwt-type": "rsa", "jwt-key-size": "256"},
        **{"key": private.decode(), "cert": public.decode(), "jwks-show": True, "subject-type": "public"},
        **{"access-token-duration": 600, "refresh-token-duration": 600, "code-duration": 60},
        **{"refresh-token-rolling": False, "allow-non-oidc": False, "auth-type-code-enabled": True},
        **{"auth-type-token-enabled": False, "auth-type-id-token-enabled": True},
        **{"auth-type-password-enabled": False, "auth-type-client-enabled": False},
        **{"auth-type-refresh-enabled": True, "auth-type-code-revoke-replayed": True},
        **{"pkce-allowed": True, "pkce-required": True, "pkce-method-plain-allowed": False},
        **{"name-claim": "mandatory", "email-claim": "mandatory"},
        "claims": [
            {"name": "groups", "user-property": "groups", "type": "string", "mandatory": True},
            {
                **{"name": "preferred_username", "user-property": "preferred_username"},
                **{"type": "string", "mandatory": True},
            },
            {
                **{"name": "email_verified", "user-property": "email_verified", "type": "boolean"},
                **{"boolean-value-true": "yes", "boolean-value-false": "no", "mandatory": True},
            },
        ],
    }
    plugin = {"module": "oidc", "name": "oidc", "display_name": "OpenID", "parameters": parameters}
    _done(admin.post("/api/mod/plugin/", json=plugin))


def _done(answer: httpx.Response) -> None:
    assert answer.status_code == 200, f"{answer.request.url}: {answer.status_code} {answer.text}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/auth/", timeout=5).status_code < 500
    except httpx.HTTPError:
        return False
