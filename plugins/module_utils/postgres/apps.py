# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the entries of webstack_apps say about PostgreSQL: the databases to make, and the addresses to give to apps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .databases import read_databases
from .errors import PostgresError
from .url import database_url

#: Keys of ``postgres`` in an app's entry that a database has too.
PASSED_ON = ("owner", "owner_password", "extensions", "settings", "indexes")
# How a place is called in a database's entry, and how in an app's.
PLACES = ((".users[0].name", ".user"), (".users[0]", ""), (".name:", ".database:"))
MORE = re.compile(r"\.users\[(\d+)\]")


def databases_of(apps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the databases that the apps ask for with a password, one entry for those that share one.

    An app without a password uses PostgreSQL as well, but makes its own arrangements.
    """
    found: dict[str, dict[str, Any]] = {}
    for app in apps:
        if (app.get("postgres") or {}).get("password") is None:
            continue
        entry = _entry(app)
        shared = found.setdefault(entry["name"], {"name": entry["name"], "users": []})
        shared["users"] += [user for user in entry["users"] if user not in shared["users"]]
        for key in PASSED_ON:
            if key in entry:
                shared[key] = _merged(shared.get(key), entry[key])
    return list(found.values())


def _entry(app: Mapping[str, Any]) -> dict[str, Any]:
    asked = app["postgres"]
    user = {"name": asked.get("user") or app["name"], "password": asked["password"]}
    if asked.get("access"):
        user["access"] = asked["access"]
    passed_on = {key: asked[key] for key in PASSED_ON if asked.get(key)}
    return {"name": asked.get("database") or app["name"], "users": [user, *(asked.get("users") or [])], **passed_on}


def _merged(one: Any, other: Any) -> Any:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {**one, **other}
    if isinstance(one, list) and isinstance(other, list):
        return one + [item for item in other if item not in one]
    return other


def problems(apps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with the databases that the apps ask for, first of all each by itself."""
    alone = list(_problems_alone(apps))
    yield from alone
    if not alone:
        try:
            read_databases(databases_of(apps), "webstack_apps' databases")
        except PostgresError as error:
            yield str(error)


def _problems_alone(apps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for index, app in enumerate(apps):
        where = f"webstack_apps[{index}].postgres"
        try:
            read_databases(databases_of([app]), where)
        except PostgresError as error:
            text = str(error).replace(f"{where}[0]", where)
            for there, here in PLACES:
                text = text.replace(f"{where}{there}", f"{where}{here}", 1)
            # The app's own user comes first.
            yield MORE.sub(lambda match: f".users[{int(match[1]) - 1}]", text)


def urls_of(app: Mapping[str, Any], host: str, port: int, pool_port: int | None) -> dict[str, str]:
    """Return the variables with which an app finds its database, none where it makes its own arrangements.

    The app's own connections go through the pooler at ``pool_port`` where there is one. The owner's, for migrations,
    go to the server itself: they need sessions of their own.
    """
    asked = app.get("postgres") or {}
    if asked.get("password") is None:
        return {}
    database, user = asked.get("database") or app["name"], asked.get("user") or app["name"]
    scheme, parameters = asked.get("scheme") or "postgresql", asked.get("parameters") or {}
    urls = {
        asked.get("variable") or "DATABASE_URL": database_url(
            scheme, user, asked["password"], host, pool_port or port, database, parameters
        )
    }
    if asked.get("owner_password"):
        owner = asked.get("owner") or f"{database}_owner"[:63]
        urls[asked.get("owner_variable") or "DATABASE_OWNER_URL"] = database_url(
            scheme, owner, asked["owner_password"], host, port, database, parameters
        )
    return urls
