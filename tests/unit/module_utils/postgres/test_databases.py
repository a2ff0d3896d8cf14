# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared and what is there, and the statements in between."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.postgres import databases, scram
from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.errors import PostgresError

SHOP: dict[str, Any] = {"name": "shop", "users": [{"name": "shop", "password": "one"}]}


def read(*entries: Any) -> list[databases.Database]:
    return databases.read_databases(list(entries), "x")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"name": "Shop"}, ("x[0].name", "'Shop'", "small letters")),
        ({"name": "postgres"}, ("x[0].name", "'postgres'")),
        ({"nmae": "shop"}, ("x[0].nmae", "name, owner")),
        ({**SHOP, "users": [{"name": "shop"}]}, ("x[0].users[0].password", "missing")),
        ({**SHOP, "users": [{"name": "shop", "password": "zwei Wörter"}]}, ("x[0].users[0].password", "ASCII")),
        ({**SHOP, "users": [{"name": "pg_me", "password": "one"}]}, ("x[0].users[0].name", "'pg_me'")),
        ({**SHOP, "users": [{"name": "a", "password": "b", "access": "all"}]}, ("access", "'all'", "readonly")),
        ({**SHOP, "extensions": ["vec tor"]}, ("x[0].extensions[0]", "'vec tor'")),
        ({**SHOP, "settings": {"a b": 1}}, ("x[0].settings", "'a b'")),
        ({**SHOP, "indexes": [{"table": "t", "column": "e"}]}, ("x[0].indexes", "extension vector")),
        ("shop", ("x[0]", "dictionary", "str")),
    ],
)
def test_bad_input_is_refused_by_name_value_and_remedy(entry: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(PostgresError) as refusal:
        read(entry)
    assert [word for word in words if word not in str(refusal.value)] == []
    assert "Wörter" not in str(refusal.value)


def test_one_role_has_one_password() -> None:
    with pytest.raises(PostgresError, match="'shop' has another password in x\\[0\\]"):
        read(SHOP, {"name": "blog", "users": [{"name": "shop", "password": "two"}]})


def test_a_database_is_named_once() -> None:
    with pytest.raises(PostgresError, match="there twice"):
        read(SHOP, SHOP)


def role(password: str | None, name: str = "shop", **more: Any) -> dict[str, Any]:
    digest = None if password is None else scram.digest(scram.verifier(password, name, "seed"))
    return {"login": password is not None, "powers": False, "password": digest, **more}


@pytest.mark.parametrize(
    ("found", "changed"),
    [
        ({}, ["shop_owner", "shop"]),
        ({"shop": role("one"), "shop_owner": role(None)}, []),
        ({"shop": role("two"), "shop_owner": role(None)}, ["shop"]),
        ({"shop": role("one", powers=True), "shop_owner": role(None)}, ["shop"]),
        ({"shop": role("one"), "shop_owner": role("one", "shop_owner")}, ["shop_owner"]),
    ],
)
def test_roles_that_differ_are_changed(found: dict[str, Any], changed: list[str]) -> None:
    assert databases.roles_to_change(read(SHOP), found, "seed") == changed


def test_databases_that_are_missing_or_have_another_owner() -> None:
    assert databases.databases_to_change(read(SHOP), {}) == ["shop"]
    assert databases.databases_to_change(read(SHOP), {"shop": {"owner": "postgres"}}) == ["shop"]
    assert databases.databases_to_change(read(SHOP), {"shop": {"owner": "shop_owner"}}) == []


def test_a_new_database_is_for_its_users_alone() -> None:
    assert databases.cluster_statements(read(SHOP)[0], {}, []) == [
        'REVOKE CONNECT, TEMPORARY ON DATABASE "shop" FROM PUBLIC',
        'GRANT CONNECT, TEMPORARY ON DATABASE "shop" TO "shop"',
    ]


def test_nothing_is_said_twice() -> None:
    found = {"public": False, "connect": ["shop", "shop_owner"], "settings": {"work_mem": "9MB"}, "roles": {}}
    assert databases.cluster_statements(read(SHOP)[0], found, []) == []


def test_a_user_that_is_declared_no_more_may_not_connect() -> None:
    found = {"public": False, "connect": ["shop", "old"], "settings": {}, "roles": {}}
    revoke = 'REVOKE CONNECT, TEMPORARY ON DATABASE "shop" FROM "old"'
    assert databases.cluster_statements(read(SHOP)[0], found, []) == [revoke]


def test_access_as_the_owner_comes_and_goes() -> None:
    owner = read({"name": "shop", "users": [{"name": "shop", "password": "one", "access": "owner"}]})[0]
    there = {"public": False, "connect": ["shop"], "settings": {}, "roles": {}}
    come = ['GRANT "shop_owner" TO "shop"', """ALTER ROLE "shop" IN DATABASE "shop" SET role = 'shop_owner'"""]
    assert databases.cluster_statements(owner, there, []) == come
    acting = {**there, "roles": {"shop": "shop_owner"}}
    assert databases.cluster_statements(owner, acting, [["shop_owner", "shop"]]) == []
    go = ['REVOKE "shop_owner" FROM "shop"', 'ALTER ROLE "shop" IN DATABASE "shop" RESET role']
    assert databases.cluster_statements(read(SHOP)[0], acting, [["shop_owner", "shop"]]) == go


def test_settings_of_a_database_are_set_and_reset() -> None:
    tuned = read({**SHOP, "settings": {"hnsw.ef_search": 100}})[0]
    there = {"public": False, "connect": ["shop"], "settings": {"hnsw.ef_search": "40"}, "roles": {}}
    assert databases.cluster_statements(tuned, {**there, "settings": {"hnsw.ef_search": "100"}}, []) == []
    assert databases.cluster_statements(tuned, there, []) == ["ALTER DATABASE \"shop\" SET hnsw.ef_search = '100'"]
    assert databases.cluster_statements(read(SHOP)[0], there, []) == ['ALTER DATABASE "shop" RESET hnsw.ef_search']


def inside(**changes: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "usage": True,
        "lacking": {},
        "excess": {},
        "sequences": [],
        "default": ["SELECT", "INSERT", "UPDATE", "DELETE"],
        "default_sequences": True,
    }
    return {"public_create": False, "owner_create": True, "users": {"shop": {**nothing, **changes}}}


def test_a_user_with_all_that_it_needs_gets_no_more() -> None:
    assert databases.grant_statements(read(SHOP)[0], inside()) == []


def test_a_user_gets_what_its_access_says() -> None:
    found = inside(
        usage=False,
        lacking={"INSERT": ["a", "b"]},
        sequences=["s"],
        default=["SELECT"],
        default_sequences=False,
        excess={"TRUNCATE": ["a"], "SELECT": ["b"]},
    )
    assert databases.grant_statements(read(SHOP)[0], found) == [
        'GRANT USAGE ON SCHEMA public TO "shop"',
        'GRANT INSERT ON TABLE a, b TO "shop"',
        'GRANT USAGE, SELECT ON SEQUENCE s TO "shop"',
        'REVOKE TRUNCATE ON TABLE a FROM "shop"',
        'ALTER DEFAULT PRIVILEGES FOR ROLE "shop_owner" IN SCHEMA public '
        'GRANT INSERT, UPDATE, DELETE ON TABLES TO "shop"',
        'ALTER DEFAULT PRIVILEGES FOR ROLE "shop_owner" IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO "shop"',
    ]


def test_less_access_takes_away_what_was_more() -> None:
    reader = read({"name": "shop", "users": [{"name": "shop", "password": "one", "access": "readonly"}]})[0]
    found = inside(excess={"SELECT": ["a"], "DELETE": ["a"]})
    assert databases.grant_statements(reader, found) == [
        'REVOKE DELETE ON TABLE a FROM "shop"',
        'ALTER DEFAULT PRIVILEGES FOR ROLE "shop_owner" IN SCHEMA public '
        'REVOKE INSERT, UPDATE, DELETE ON TABLES FROM "shop"',
    ]


def test_a_role_that_is_not_there_yet_is_left_out() -> None:
    assert databases.grant_statements(read(SHOP)[0], {**inside(), "users": {}}) == []
