"""What the operator may say of an OpenID provider, which role groups give, and the login page's button."""

from pathlib import Path

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.identities import identity_enter
from accounts.models import AuditEntry, Role
from accounts.oidc_provider import OidcProvider, groups_of, oidc_provider
from accounts.services import user_create
from annotation.services.erasing import person_erase
from deploy.local.broker import free_port


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """The least that names a provider."""
    (tmp_path / "secret").write_text("hush\n")
    return {
        "OIDC_ISSUER": "https://id.example.org/realm",
        "OIDC_CLIENT_ID": "accord",
        "OIDC_CLIENT_SECRET_FILE": str(tmp_path / "secret"),
    }


def test_a_provider_is_named_by_three_variables(variables: dict[str, str]) -> None:
    provider = oidc_provider(variables)
    assert provider is not None
    assert (provider.name, provider.secret(), provider.creates) == ("id.example.org", "hush", False)
    assert provider.role({"groups": ["admin", "admins"]}) is None, "roles are given here alone"
    assert oidc_provider({}) is None


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"OIDC_CLIENT_ID": ""}, "OIDC_CLIENT_ID is not"),
        ({"OIDC_CLIENT_SECRET_FILE": "/nowhere"}, "cannot be read"),
        ({"OIDC_CLIENT_SECRET_FILE": "/dev/null"}, "is empty"),
        ({"OIDC_ISSUER": "http://id.example.org"}, "https://"),
        ({"OIDC_ISSUER": "https://id.example.org/?a=b"}, "https://"),
        ({"OIDC_ROLES": "admins"}, "accord-admins=admin"),
        ({"OIDC_ROLES": "admins=root"}, "annotator, reviewer, admin"),
        ({"OIDC_SCOPES": "email"}, "must name openid"),
        ({"OIDC_CREATE": "perhaps"}, "0 or 1"),
        ({"OIDC_SESSION_HOURS": "0"}, "from 1 to 8760"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    variables: dict[str, str], changed: dict[str, str], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        oidc_provider({**variables, **changed})


def test_half_a_configuration_is_named() -> None:
    with pytest.raises(ValueError, match="OIDC_ROLES is set and OIDC_ISSUER is not"):
        oidc_provider({"OIDC_ROLES": "a=admin"})


def test_the_highest_role_of_all_groups_counts_and_none_gives_the_lowest(variables: dict[str, str]) -> None:
    told = {"OIDC_ROLES": "a=reviewer, b = admin,cn=x=annotator", "OIDC_ROLE_CLAIM": "realm_access.roles"}
    provider = oidc_provider({**variables, **told})
    assert provider is not None
    for groups, role in (
        (["a", "b"], "admin"),
        (["a", "c"], "reviewer"),
        (["c"], "annotator"),
        ("b", "admin"),
        ({"b": 1}, "annotator"),
        (["cn=x", 7, None], "annotator"),
    ):
        assert provider.role({"realm_access": {"roles": groups}}) == role
    assert provider.role({}) == provider.role({"realm_access": 3}) == "annotator"
    assert groups_of({"https://x.example/groups": ["a"]}, "https://x.example/groups") == ["a"]


def test_only_tls_is_asked_but_for_a_provider_on_this_machine(variables: dict[str, str]) -> None:
    provider = oidc_provider(variables)
    near = oidc_provider({**variables, "OIDC_ISSUER": "http://127.0.0.1:99/x"})
    assert provider is not None and near is not None
    assert provider.may_ask("https://keys.example.org/jwks")
    assert not provider.may_ask("http://id.example.org/token")
    assert near.may_ask("http://127.0.0.1:98/token")
    assert not near.may_ask("http://192.0.2.1/token")
    assert not near.may_ask("file:///etc/passwd")


@pytest.mark.django_db
def test_the_button_is_there_only_with_a_provider_and_its_absence_is_no_dead_end(
    settings: Settings, variables: dict[str, str], broker: str
) -> None:
    assert "/login/oidc/" not in Client().get("/login/").content.decode()
    assert Client().get("/login/oidc/").status_code == 404
    settings.ACCORD_OIDC = oidc_provider(
        {**variables, "OIDC_ISSUER": f"http://127.0.0.1:{free_port()}", "OIDC_NAME": "Example <ID>"}
    )
    page = Client().get("/login/?next=/work/%3Fa%3Db").content.decode()
    assert "Log in with Example &lt;ID&gt;" in page
    assert 'href="/login/oidc/?next=%2Fwork%2F%3Fa%3Db"' in page
    answer = Client().get("/login/oidc/")
    assert answer.status_code == 503
    assert "cannot be reached" in answer.content.decode()
    for _ in range(59):
        Client().get("/login/oidc/callback/")
    assert Client().get("/login/oidc/").status_code == 429


@pytest.mark.django_db
def test_nothing_stays_of_the_identity_of_who_is_erased(variables: dict[str, str]) -> None:
    provider = oidc_provider({**variables, "OIDC_CREATE": "1", "OIDC_ROLES": "a=reviewer"})
    assert isinstance(provider, OidcProvider)
    claims = {"email": "Ann@example.org", "email_verified": "true", "groups": "a"}
    ann = identity_enter(provider, "1", claims)
    assert (ann.username, ann.role) == ("Ann", Role.REVIEWER)
    assert identity_enter(provider, "1", {}) == ann, "the subject is who it is"
    person_erase(ann, actor=None)
    assert identity_enter(provider, "1", claims) != ann
    assert AuditEntry.objects.filter(action="user.link").count() == 2


@pytest.mark.django_db
def test_two_accounts_with_one_address_are_told_apart_by_an_admin(variables: dict[str, str]) -> None:
    provider = oidc_provider(variables)
    assert provider is not None
    for name in ("ann", "ann2"):
        user_create(username=name, email="ann@example.org")
    with pytest.raises(Exception, match="Several accounts"):
        identity_enter(provider, "1", {"email": "ann@example.org", "email_verified": True})
