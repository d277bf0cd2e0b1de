"""Routes of the pages that belong to no single app: start page, login, account, health."""

from django.urls import path
from django.views.decorators.cache import cache_control
from django.views.i18n import JavaScriptCatalog

from web.health import healthz, livez, readyz
from web.views import (
    account,
    audit,
    bundles,
    disk,
    events,
    home,
    notifications,
    oidc,
    passkeys,
    preview,
    second_factor,
    webhooks,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("healthz", healthz, name="healthz"),
    path("livez", livez, name="livez"),
    path("readyz", readyz, name="readyz"),
    path("events/", events.events, name="events"),
    path("login/", account.login_view, name="login"),
    # The name that django-allauth asks for.
    path("login/", account.login_view, name="account_login"),
    path("login/oidc/", oidc.oidc_login, name="oidc-login"),
    path("login/oidc/callback/", oidc.oidc_callback, name="oidc-callback"),
    path("login/second/", second_factor.asked_at_login, name="mfa_authenticate"),
    path("login/passkey/", passkeys.enter_by_passkey, name="mfa_login_webauthn"),
    path("logout/", account.logout_view, name="logout"),
    path("account/", account.account, name="account"),
    path("account/password/", account.password_change_view, name="password-change"),
    # Under the names that django-allauth asks for.
    path("account/again/", second_factor.again_by_password, name="account_reauthenticate"),
    path("account/again/code/", second_factor.again_by_code, name="mfa_reauthenticate"),
    path("account/again/passkey/", passkeys.again_by_passkey, name="mfa_reauthenticate_webauthn"),
    path("account/second-factor/passkeys/add/", passkeys.add_passkey, name="mfa_add_webauthn"),
    path("account/second-factor/passkeys/<int:pk>/remove/", passkeys.passkey_remove, name="passkey-remove"),
    path("account/second-factor/", second_factor.second_factor, name="mfa_index"),
    path("account/second-factor/app/", second_factor.set_up_app, name="mfa_activate_totp"),
    path("account/second-factor/app/off/", second_factor.turn_off_app, name="mfa_deactivate_totp"),
    path("account/second-factor/codes/", second_factor.recovery_codes, name="mfa_view_recovery_codes"),
    path(
        "account/second-factor/codes/new/",
        second_factor.recovery_codes_new,
        name="mfa_generate_recovery_codes",
    ),
    path("account/sessions/<int:pk>/end/", account.session_end_view, name="session-end"),
    path("account/sessions/end-others/", account.sessions_end_others_view, name="sessions-end-others"),
    path("account/notifications/", notifications.notifications, name="notifications"),
    path("account/notifications/try/", notifications.notifications_try, name="notifications-try"),
    path("account/tokens/<int:pk>/revoke/", account.token_revoke_view, name="token-revoke"),
    path("texts.js", cache_control(max_age=300)(JavaScriptCatalog.as_view()), name="script-texts"),
    path("bundles/<slug:digest>/<path:path>", bundles.bundled, name="bundle"),
    path("audit/", audit.audit_log, name="audit"),
    path("disk/", disk.disk, name="disk"),
    path("webhooks/", webhooks.endpoints, name="webhooks"),
    path("webhooks/<int:pk>/", webhooks.endpoint, name="webhook"),
    path("webhooks/<int:pk>/<slug:deed>/", webhooks.endpoint_do, name="webhook-do"),
    path("deliveries/<int:pk>/resend/", webhooks.resend, name="delivery-resend"),
    path("markdown/", preview.markdown_preview, name="markdown-preview"),
]
