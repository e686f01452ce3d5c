"""Django's settings, all of them derived from `SiteSettings`."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

from campus.admin_theme import UNFOLD as UNFOLD
from campus.databases import database
from campus.site_settings import folder_for, site_settings
from gpu_node.contracts.node_api import API_ROOT
from gpu_node.contracts.settings import SettingError
from orchestrator.settings import fleet_settings

# gunicorn stops for good at this status, where it would start another worker at any other.
_CANNOT_START = 3

try:
    _site = site_settings()
    fleet_settings()
    _database = database(_site.database_url.get_secret_value(), _site.var / "campus.sqlite3")
    _uploads = folder_for(_site, "uploads")
except SettingError as error:
    sys.stderr.write(f"campus: {error}\n")
    raise SystemExit(_CANNOT_START) from None

_CAMPUS = Path(__file__).resolve().parent

SECRET_KEY = _site.secret_key.get_secret_value()
DEBUG = _site.debug
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SITE_URL = _site.site_url
ALLOWED_HOSTS = [str(urlsplit(SITE_URL).hostname), "127.0.0.1", "localhost", *_site.allowed_hosts]
CSRF_TRUSTED_ORIGINS = [SITE_URL]

INSTALLED_APPS = [
    "campus.theme",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "orchestrator",
    "campus.accounts",
    "campus.courses",
    "campus.voiceovers",
    "campus.review",
    "campus.publishing",
    "campus.notifications",
    "campus.fleet",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "campus.security.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Before the CSRF check: that one reads the whole body, and strangers shall not make us do so.
    "campus.security.LoginRequired",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "campus.urls"
WSGI_APPLICATION = "campus.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "campus.accounts.context.menu",
                "campus.notifications.context.bell",
            ],
        },
    },
]

# Who may do what.
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "catalogue"
SESSION_COOKIE_AGE = int(_site.session_hours * 3600)
# Machines bring their own proof: a node its token, a signed URL its signature.
LOGIN_FREE_PREFIXES = (f"{API_ROOT}/", "/blobs/")

# What browsers are told.
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _site.https
SECURE_HSTS_SECONDS = _site.hsts_seconds if _site.https else 0
# The domain's other sites are not ours to bind, nor is the browsers' preload list.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# The admin's own theme works with Alpine, which evaluates what it reads in attributes.
ADMIN_CONTENT_SECURITY_POLICY = (
    f"{CONTENT_SECURITY_POLICY}; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
)
if _site.behind_proxy:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
BEHIND_PROXY = _site.behind_proxy
SECURE_SSL_REDIRECT = _site.https and _site.behind_proxy
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^ops/metrics$"]

# Files that come in: none, except where a view says so (`campus.courses.uploads`).
FILE_UPLOAD_HANDLERS = ["campus.security.NoFiles"]
FILE_UPLOAD_TEMP_DIR = str(_uploads)
FILE_UPLOAD_PERMISSIONS = 0o644
UPLOAD_MAX_BYTES = _site.upload_max_bytes
# What is not a file is held in memory. A node's report on a lesson of ten hours has about 5 MB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000_000

STATIC_URL = "/static/"
STATIC_ROOT = str(_site.var / "static")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = ["campus.formats"]
USE_TZ = True
TIME_ZONE = _site.time_zone

EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if _site.email_host
    else "django.core.mail.backends.filebased.EmailBackend"
)
EMAIL_FILE_PATH = str(_site.var / "mail")
EMAIL_HOST = _site.email_host
EMAIL_PORT = _site.email_port
EMAIL_HOST_USER = _site.email_host_user
EMAIL_HOST_PASSWORD = _site.email_host_password.get_secret_value()
EMAIL_USE_TLS = _site.email_use_tls
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = SERVER_EMAIL = _site.email_from

VOICEOVER_LANGUAGES = _site.voiceover_languages
VOICEOVER_RECOGNISES = _site.voiceover_recognises

HOST_FOLDER = str(_site.hosted)
HOST_PROCESSING_SECONDS = _site.host_processing_seconds

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "campus.logs.JsonFormatter"}},
    "filters": {"no_queries": {"()": "campus.logs.NoQueries"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json",
            "filters": ["no_queries"],
        }
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}
