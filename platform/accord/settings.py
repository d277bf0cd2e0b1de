"""Django's settings, made from `accord.env` alone."""

import socket
from datetime import timedelta

from accord.env import REPOSITORY, database_settings, program_environment, read_environment
from accord.languages import interface_languages

ENV = read_environment()

SECRET_KEY = ENV.secret_key
DEBUG = ENV.debug
ALLOWED_HOSTS = list(ENV.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(ENV.trusted_origins)

INSTALLED_APPS = [
    "web.admin_app.StaffOnlyAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.mfa",
    "accounts",
    "live",
    "webhooks",
    "registry",
    "annotation",
    "reviewing",
    "alignment",
    "upkeep",
    "web",
]

MIDDLEWARE = [
    "web.health.ProbeMiddleware",
    "observing.requests.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.sessions.LastSeenMiddleware",
    "web.required_factor.RequiredFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "web.security.ContentSecurityPolicyMiddleware",
    "web.errors.AccordErrorMiddleware",
]

# For requests to the API with a bearer token and no cookie, in the stead of all these: what is left out is
# about sessions, forms, files and what browsers show, and took a seventh of the time of such a request.
ACCORD_PROGRAM_MIDDLEWARE = [
    "observing.requests.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "web.languages.AskedLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "web.security.ContentSecurityPolicyMiddleware",
    "web.errors.AccordErrorMiddleware",
]

ROOT_URLCONF = "accord.urls"
ASGI_APPLICATION = "accord.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        **database_settings(ENV.database_url),
        # Under ASGI each request has a thread of its own: a connection kept per thread is never used again.
        "OPTIONS": {
            "pool": {"min_size": 1, "max_size": 32, "timeout": 10},
            # How often `accounts.rows` sends a statement before the server prepares it.
            "prepare_threshold": 5,
            # A server that has vanished without a word is given up within half a minute, not after hours.
            "connect_timeout": 10,
            "keepalives_idle": 15,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
        },
    }
}
# Counts of failed logins, which all web processes share and which outlive each of them.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "accounts_cache"},
    # accounts.process_cache
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["accounts.adapter.ExactNameBackend"]
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_RATE_LIMITS = {
    # Attempts, also right ones: a whole office may begin its day behind one address.
    "login": "60/m/ip",
    # Wrong ones, from an address and for a name.
    "login_failed": "10/m/ip,5/5m/key",
}
SOCIALACCOUNT_ADAPTER = "web.identity_adapter.IdentityAdapter"
MFA_ADAPTER = "accounts.second_factor.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"
# As attempts with a password.
MFA_RATE_LIMITS = {"webauthn_login": "60/m/ip"}
MFA_TOTP_ISSUER = "Accord"
# Codes of the half minute before and after too: clocks differ.
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODES_SHOW_ONCE = True
# Accord has no verified addresses.
MFA_ALLOW_UNVERIFIED_EMAIL = True
ALLAUTH_TRUSTED_PROXY_COUNT = ENV.trusted_proxies
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
LOCALES = REPOSITORY / "platform" / "accord" / "locale"
LOCALE_PATHS = [LOCALES]
LANGUAGES = interface_languages(LOCALES)
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = ENV.var / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = ENV.https
SECURE_HSTS_SECONDS = 31_536_000 if ENV.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENV.https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV.https else None
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "web.errors.csrf_failure"

CELERY_BROKER_URL = ENV.redis_url
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 10,
    "socket_keepalive": True,
    # Linux has these; elsewhere the system's own pace must do.
    "socket_keepalive_options": {
        getattr(socket, name): value
        for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    },
}

ACCORD_VAR = ENV.var
ACCORD_METRICS_FOLDER = ENV.metrics_folder
ACCORD_RUNS = ENV.var / "runs"
ACCORD_CHECKPOINTS = ENV.var / "checkpoints"
ACCORD_REPOSITORY = REPOSITORY
ACCORD_JUDGE_KEY_FILE = ENV.judge_key_file
ACCORD_IMPORT_MAX_BYTES = ENV.import_max_bytes
ACCORD_IMPORT_MAX_ROWS = ENV.import_max_rows
ACCORD_WEBHOOK_NETWORKS = ENV.webhook_networks
ACCORD_WEBHOOK_PORTS = ENV.webhook_ports
ACCORD_PROGRAM_LEASE = timedelta(seconds=ENV.program_lease_seconds)
ACCORD_PROGRAM_ATTEMPTS = ENV.program_attempts
ACCORD_DRAIN_SECONDS = ENV.drain_seconds
ACCORD_FORK_PROGRAMS = ENV.fork_programs
ACCORD_LAUNCHER = ENV.launcher
ACCORD_LAUNCHER_OPTIONS = ENV.launcher_options
ACCORD_ARTIFACTS = ENV.artifacts
ACCORD_MACHINE_HOUR_PRICE = ENV.machine_hour_price
ACCORD_MLFLOW_URI = ENV.mlflow_uri
ACCORD_WANDB_PROJECT = ENV.wandb_project
ACCORD_OIDC = ENV.oidc
ACCORD_REQUIRE_SECOND_FACTOR = ENV.require_second_factor
ACCORD_SITE_URL = ENV.site_url
ACCORD_RETENTION = ENV.retention

EMAIL_HOST, EMAIL_PORT = ENV.mail.host, ENV.mail.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = ENV.mail.user, ENV.mail.password
EMAIL_USE_TLS, EMAIL_USE_SSL = ENV.mail.starttls, ENV.mail.tls
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = ENV.mail.sender

ACCORD_PROGRAM_ENVIRONMENT = program_environment

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "observing.logs.LineFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "observing.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": ENV.log_format}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        # A line for each request is for collectors of logs.
        "accord.requests": {"level": "INFO" if ENV.log_format == "json" else "WARNING"},
        # The clock ticks every two seconds.
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
