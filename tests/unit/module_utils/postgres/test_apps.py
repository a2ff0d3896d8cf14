# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apps ask for becomes databases and addresses."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.apps import databases_of, problems, urls_of

PASSWORD = "p/w:d@%#"
APP: dict[str, Any] = {"name": "agente", "postgres": {"password": PASSWORD, "extensions": ["vector"]}}


def test_an_app_with_a_password_gets_a_database() -> None:
    user = {"name": "agente", "password": PASSWORD}
    assert databases_of([APP]) == [{"name": "agente", "users": [user], "extensions": ["vector"]}]


def test_an_app_without_one_makes_its_own_arrangements() -> None:
    apps: list[dict[str, Any]] = [{"name": "a", "postgres": {}}, {"name": "b"}, {"name": "c", "postgres": None}]
    assert databases_of(apps) == []
    assert [urls_of(app, "127.0.0.1", 5432, None) for app in apps] == [{}, {}, {}]


def test_apps_share_a_database() -> None:
    other = {
        "name": "reports",
        "postgres": {"database": "agente", "password": "x", "access": "readonly", "extensions": ["pg_trgm"]},
    }
    (shared,) = databases_of([APP, other])
    assert [user["name"] for user in shared["users"]] == ["agente", "reports"]
    assert shared["extensions"] == ["vector", "pg_trgm"]


def test_the_url_has_the_password_as_it_is() -> None:
    url = urls_of(APP, "127.0.0.1", 5432, None)["DATABASE_URL"]
    parts = urlsplit(url)
    assert (parts.scheme, parts.username, parts.hostname, parts.port, parts.path) == (
        "postgresql",
        "agente",
        "127.0.0.1",
        5432,
        "/agente",
    )
    assert unquote(parts.password or "") == PASSWORD


def test_the_owner_goes_to_the_server_where_the_app_goes_to_the_pooler() -> None:
    app = {"name": "a", "postgres": {"password": "x", "owner_password": "y", "parameters": {"sslmode": "require"}}}
    assert urls_of(app, "fd00::1", 5432, 6432) == {
        "DATABASE_URL": "postgresql://a:x@[fd00::1]:6432/a?sslmode=require",
        "DATABASE_OWNER_URL": "postgresql://a_owner:y@[fd00::1]:5432/a?sslmode=require",
    }


def test_problems_name_the_apps_own_key() -> None:
    wrong = [
        {"name": "a", "postgres": {"password": "ä"}},
        {"name": "b", "postgres": {"password": "x", "user": "pg_b"}},
        {"name": "c", "postgres": {"password": "x", "database": "C D"}},
        {"name": "d", "postgres": {"password": "x", "users": [{"name": "e", "password": ""}]}},
    ]
    found = list(problems(wrong))
    assert [one.split(":")[0] for one in found] == [
        "webstack_apps[0].postgres.password",
        "webstack_apps[1].postgres.user",
        "webstack_apps[2].postgres.database",
        "webstack_apps[3].postgres.users[0].password",
    ]


def test_two_apps_with_one_role_and_two_passwords() -> None:
    other = {"name": "b", "postgres": {"user": "agente", "password": "x"}}
    (problem,) = problems([APP, other])
    assert "'agente' has another password" in problem and PASSWORD not in problem


def test_the_role_of_before_goes_on_beside_the_new_one() -> None:
    old = {"name": "agente", "password": "old"}
    (database,) = databases_of([{"name": "agente", "postgres": {"user": "b", "password": "new", "users": [old]}}])
    assert [user["name"] for user in database["users"]] == ["b", "agente"]
