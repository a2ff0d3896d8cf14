# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and addresses of Redis from webstack_apps."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from ansible_collections.rightsize.webstack.plugins.filter.redis_url import redis_url
from ansible_collections.rightsize.webstack.plugins.filter.redis_users import redis_users
from ansible_collections.rightsize.webstack.plugins.filter.without_secrets import without_secrets


def test_each_app_with_a_password_is_a_user() -> None:
    apps: list[dict[str, Any]] = [
        {"name": "a", "redis": {"password": "p", "keys": ["x:*"]}},
        {"name": "b", "redis": {}},
        {"name": "c"},
        {"name": "d", "redis": {"password": "q", "commands": ["+flushdb"]}},
    ]
    assert redis_users(apps) == [
        {"name": "a", "password": "p", "keys": ["x:*"]},
        {"name": "d", "password": "q", "commands": ["+flushdb"]},
    ]


@pytest.mark.parametrize("password", ["plain", "a/b@c:d?e#f", "ñ€ %41"])
def test_any_password_can_be_read_from_the_url(password: str) -> None:
    url = urlsplit(redis_url({"name": "shop", "redis": {"password": password}}, "10.0.0.5", 6380))
    assert (url.scheme, url.hostname, url.port, url.path) == ("redis", "10.0.0.5", 6380, "/0")
    assert (url.username, unquote(url.password or "")) == ("shop", password)


def test_tls_and_version_6_addresses() -> None:
    url = redis_url({"name": "shop", "redis": {"password": "p"}}, "fd00::5", tls=True)
    assert url == "rediss://shop:p@[fd00::5]:6379/0"


def test_planning_is_told_no_secret_and_all_that_it_reads() -> None:
    apps = [
        {
            "name": "a",
            "workers": 2,
            "secrets": {"X": "canary"},
            "checks": [{"secret_headers": {"X": "canary"}}],
            "redis": {"password": "canary"},
            "postgres": {"database": "a", "extensions": ["vector"], "password": "canary"},
        }
    ]
    told = without_secrets(apps)
    assert told == [{"name": "a", "workers": 2, "redis": {}, "postgres": {"database": "a", "extensions": ["vector"]}}]
    assert "canary" not in str(told)


@pytest.mark.parametrize("nonsense", ["text", None, {"name": "a"}, ["text"], [{"name": "a", "redis": True}]])
def test_what_is_no_list_of_apps_is_left_for_planning_to_refuse(nonsense: object) -> None:
    assert without_secrets(nonsense) == nonsense
