# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings; everything that differs between hosts comes from environment variables."""

import os
import secrets
from pathlib import Path
from urllib.parse import unquote, urlsplit

BASE_DIR = Path(__file__).resolve().parent.parent
DEBUG = False
# Without a key of its own every worker has another one: enough to start and to say what is missing.
SECRET_KEY = os.environ.get("SECRET_KEY") or secrets.token_hex(32)
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")
ROOT_URLCONF = "core.urls"
WSGI_APPLICATION = "core.wsgi.application"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "bookings",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "bookings.middleware.say_which_release",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "es"
# gunicorn's configuration writes the log.
LOGGING_CONFIG = None


def _database(url: str) -> dict[str, object]:
    """Read a URL; without one every query says that there is no database."""
    if not url:
        return {"ENGINE": "django.db.backends.dummy"}
    parts = urlsplit(url)
    # A greenlet that waits for a connection costs nothing; one connection for each greenlet would.
    size = int(os.environ.get("DATABASE_POOL_SIZE", "5"))
    most = size + int(os.environ.get("DATABASE_POOL_MAX_OVERFLOW", "0"))
    pool = {"min_size": size, "max_size": most, "timeout": 10, "max_idle": 60}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or 5432,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"pool": pool},
    }


def _cache(url: str) -> dict[str, object]:
    if not url:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    options = {"socket_timeout": 2, "socket_connect_timeout": 2}
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": url,
        "KEY_PREFIX": "citas",
        "OPTIONS": options,
    }


DATABASES = {"default": _database(os.environ.get("DATABASE_URL", ""))}
CACHES = {"default": _cache(os.environ.get("REDIS_URL", ""))}
CACHE_SECONDS = 300

STATIC_URL = "/static/"
STATIC_ROOT = os.environ.get("STATIC_ROOT", str(BASE_DIR / "static"))
STORAGES = {
    "staticfiles": {"BACKEND": "bookings.storage.VersionedStaticFilesStorage"},
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["bookings.throttles.HourlyThrottle"],
    "NUM_PROXIES": 1,
}
# Requests per hour.
THROTTLES = {
    "anon": int(os.environ.get("THROTTLE_ANON", "100")),
    "user": int(os.environ.get("THROTTLE_USER", "1000")),
    "staff": int(os.environ.get("THROTTLE_STAFF", "5000")),
}
