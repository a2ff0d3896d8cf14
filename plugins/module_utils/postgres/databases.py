# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases, roles and grants: what the inventory declares, and what is missing on the server.

The server is asked once for all that is there; only what differs costs a task on the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import scram
from .errors import PostgresError
from .indexes import Index, read_index
from .settings import as_text

NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
SETTING = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?")
EXTENSION = re.compile(r"[a-z][a-z0-9_-]*")
TAKEN = ("postgres", "template0", "template1", "public", "all", "replication", "sameuser", "samerole")
ACCESS = {
    "readwrite": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "readonly": ("SELECT",),
    "owner": (),
}
KEYS = ("name", "owner", "owner_password", "users", "extensions", "settings", "indexes")
USER_KEYS = ("name", "password", "access")


@dataclass(frozen=True)
class User:
    """A role that logs in. ``access`` is readwrite, readonly or owner (acts as the database's owner)."""

    name: str
    password: str
    access: str


@dataclass(frozen=True)
class Database:
    """A database as the inventory declares it, with defaults filled in."""

    name: str
    owner: str
    owner_password: str
    users: tuple[User, ...]
    extensions: tuple[str, ...]
    settings: Mapping[str, str]
    indexes: tuple[Index, ...]


def read_databases(entries: Any, where: str) -> list[Database]:
    """Return the databases of ``entries``, a list of dictionaries.

    Raises ``PostgresError`` that names the place below ``where``, the value (never a password) and the way out.
    """
    if not isinstance(entries, (list, tuple)):
        raise PostgresError(f"{where}: not a list but a {type(entries).__name__}; begin each database with '- name:'")
    databases = [_read_database(entry, f"{where}[{index}]") for index, entry in enumerate(entries)]
    _reject_contradictions(databases, where)
    return databases


def _read_database(entry: Any, where: str) -> Database:
    _check_keys(entry, KEYS, where)
    name = _name(entry.get("name"), f"{where}.name")
    users = tuple(_read_user(user, f"{where}.users[{at}]") for at, user in enumerate(entry.get("users") or []))
    owner = _name(entry.get("owner") or f"{name}_owner"[:63], f"{where}.owner")
    password = str(entry.get("owner_password") or "")
    if password:
        scram.check_password(password, f"{where}.owner_password")
    extensions = tuple(str(extension) for extension in entry.get("extensions") or [])
    for at, extension in enumerate(extensions):
        if not EXTENSION.fullmatch(extension):
            raise PostgresError(f"{where}.extensions[{at}]: {extension!r} is not an extension's name")
    settings = {str(key): as_text(value) for key, value in (entry.get("settings") or {}).items()}
    for key, value in settings.items():
        if not SETTING.fullmatch(key) or "\n" in value:
            raise PostgresError(f"{where}.settings: {key!r} is not a setting; write one as hnsw.ef_search: 100")
    indexes = [read_index(index, f"{where}.indexes[{at}]") for at, index in enumerate(entry.get("indexes") or [])]
    if indexes and "vector" not in extensions:
        raise PostgresError(f"{where}.indexes: need the extension vector; add it to {where}.extensions")
    return Database(name, owner, password, users, extensions, settings, tuple(indexes))


def _read_user(entry: Any, where: str) -> User:
    _check_keys(entry, USER_KEYS, where)
    name, access = _name(entry.get("name"), f"{where}.name"), str(entry.get("access") or "readwrite")
    if access not in ACCESS:
        raise PostgresError(f"{where}.access: {access!r} is not one of {', '.join(sorted(ACCESS))}")
    password = entry.get("password")
    if not isinstance(password, str):
        raise PostgresError(f"{where}.password: missing; give the password, from the vault or your environment")
    scram.check_password(password, f"{where}.password")
    return User(name, password, access)


def _check_keys(entry: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(entry, Mapping):
        raise PostgresError(f"{where}: not a dictionary but a {type(entry).__name__}; it has {', '.join(known)}")
    for key in entry:
        if key not in known:
            raise PostgresError(f"{where}.{key}: not known; {', '.join(known)} are")


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value) or value in TAKEN or value.startswith("pg_"):
        raise PostgresError(
            f"{where}: {value!r} cannot name a database or role; use small letters, digits and underscores, beginning "
            "with a letter, 63 at most, and none of PostgreSQL's own names"
        )
    return value


def _reject_contradictions(databases: Sequence[Database], where: str) -> None:
    names = [database.name for database in databases]
    for at, database in enumerate(databases):
        if names.index(database.name) != at:
            raise PostgresError(f"{where}[{at}].name: {database.name!r} is there twice; merge the two entries")
    passwords: dict[str, tuple[str, str]] = {}
    for at, database in enumerate(databases):
        own = [(user.name, user.password, f"{where}[{at}].users[{n}]") for n, user in enumerate(database.users)]
        own += [(database.owner, database.owner_password, f"{where}[{at}].owner")]
        for name, password, place in own:
            known, other = passwords.setdefault(name, (password, place))
            if known != password:
                raise PostgresError(
                    f"{place}: the role {name!r} has another password in {other}; a role has one password"
                )


def passwords_of(databases: Sequence[Database]) -> dict[str, str]:
    """Return the password of every role that logs in."""
    found = {user.name: user.password for database in databases for user in database.users}
    found.update({database.owner: database.owner_password for database in databases if database.owner_password})
    return found


def verifiers_of(databases: Sequence[Database], seed: str) -> dict[str, str]:
    """Return the SCRAM verifier of every role that logs in."""
    return {name: scram.verifier(password, name, seed) for name, password in passwords_of(databases).items()}


def roles_to_change(databases: Sequence[Database], found: Mapping[str, Mapping[str, Any]], seed: str) -> list[str]:
    """Return the names of roles that are missing or are not as declared.

    ``found`` gives for each role of the server ``login``, ``powers`` (whether it is more than a plain role) and
    ``password``, the digest of its verifier (None without one).
    """
    wanted = verifiers_of(databases, seed)
    names = dict.fromkeys([database.owner for database in databases] + list(wanted))
    return [name for name in names if found.get(name) != _role(wanted.get(name))]


def _role(secret: str | None) -> dict[str, Any]:
    return {"login": secret is not None, "powers": False, "password": None if secret is None else scram.digest(secret)}


def databases_to_change(databases: Sequence[Database], found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names of databases that are missing or have another owner."""
    return [one.name for one in databases if found.get(one.name, {}).get("owner") != one.owner]


def cluster_statements(database: Database, found: Mapping[str, Any], memberships: Sequence[Sequence[str]]) -> list[str]:
    """Return the statements that bring what is said of a database as a whole to what is declared.

    ``found`` has ``public`` (whether everybody may connect), ``connect`` (roles with a grant of their own),
    ``settings`` (those of the database, by name) and ``roles`` (``role=`` set for a role in it, by role);
    ``memberships`` are pairs of role and member.
    """
    pairs = [tuple(pair) for pair in memberships]
    return [
        *_connect_statements(database, found),
        *(line for user in database.users for line in _access_statements(database, user, found, pairs)),
        *_setting_statements(database, found.get("settings", {})),
    ]


def _connect_statements(database: Database, found: Mapping[str, Any]) -> Iterator[str]:
    name, users = identifier(database.name), [user.name for user in database.users]
    if found.get("public", True):
        yield f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC"
    for user in users:
        if user not in found.get("connect", ()):
            yield f"GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {identifier(user)}"
    for user in found.get("connect", ()):
        if user not in (*users, database.owner):
            yield f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM {identifier(user)}"


def _access_statements(
    database: Database, user: User, found: Mapping[str, Any], memberships: Sequence[tuple[str, ...]]
) -> Iterator[str]:
    name, role, owner = identifier(database.name), identifier(user.name), identifier(database.owner)
    is_member, acts_as = (database.owner, user.name) in memberships, found.get("roles", {}).get(user.name)
    if user.access == "owner":
        if not is_member:
            yield f"GRANT {owner} TO {role}"
        # What it creates then belongs to the owner, as if that had logged in.
        if acts_as != database.owner:
            yield f"ALTER ROLE {role} IN DATABASE {name} SET role = {literal(database.owner)}"
    else:
        if is_member:
            yield f"REVOKE {owner} FROM {role}"
        if acts_as is not None:
            yield f"ALTER ROLE {role} IN DATABASE {name} RESET role"


def _setting_statements(database: Database, settings: Mapping[str, str]) -> Iterator[str]:
    name = identifier(database.name)
    for key, value in database.settings.items():
        if settings.get(key) != value:
            yield f"ALTER DATABASE {name} SET {key} = {literal(value)}"
    for key in settings:
        # Only what can hardly be anybody else's.
        if key not in database.settings and key.split(".")[0] in ("hnsw", "ivfflat"):
            yield f"ALTER DATABASE {name} RESET {key}"


def grant_statements(database: Database, found: Mapping[str, Any]) -> list[str]:
    """Return the statements that give each user of a database what its access says, no more.

    ``found`` has ``public_create``, ``owner_create`` and ``users``, for each user ``usage``, ``lacking`` and
    ``excess`` (by privilege the owner's tables without or with it), ``sequences`` (those that lack it) and ``default``
    (privileges on the owner's future tables).
    """
    return [
        *_schema_statements(database, found),
        *(
            line
            for user in database.users
            if user.name in found.get("users", {})
            for there in [found["users"][user.name]]
            for line in [*_table_statements(user, there), *_default_statements(database, user, there)]
        ),
    ]


def _schema_statements(database: Database, found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("public_create"):
        yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    if not found.get("owner_create", True):
        yield f"GRANT CREATE, USAGE ON SCHEMA public TO {identifier(database.owner)}"


def _table_statements(user: User, there: Mapping[str, Any]) -> Iterator[str]:
    role, wanted = identifier(user.name), ACCESS[user.access]
    if not there["usage"]:
        yield f"GRANT USAGE ON SCHEMA public TO {role}"
    for privilege in wanted:
        if there["lacking"].get(privilege):
            yield f"GRANT {privilege} ON TABLE {', '.join(there['lacking'][privilege])} TO {role}"
    if wanted and there["sequences"]:
        yield f"GRANT USAGE, SELECT ON SEQUENCE {', '.join(there['sequences'])} TO {role}"
    for privilege, tables in there["excess"].items():
        if privilege not in wanted and tables:
            yield f"REVOKE {privilege} ON TABLE {', '.join(tables)} FROM {role}"


def _default_statements(database: Database, user: User, there: Mapping[str, Any]) -> Iterator[str]:
    role, wanted, default = identifier(user.name), ACCESS[user.access], there["default"]
    future = f"ALTER DEFAULT PRIVILEGES FOR ROLE {identifier(database.owner)} IN SCHEMA public"
    missing = [privilege for privilege in wanted if privilege not in default]
    if missing:
        yield f"{future} GRANT {', '.join(missing)} ON TABLES TO {role}"
    if wanted and not there["default_sequences"]:
        yield f"{future} GRANT USAGE, SELECT ON SEQUENCES TO {role}"
    extra = [privilege for privilege in default if privilege not in wanted]
    if extra:
        yield f"{future} REVOKE {', '.join(extra)} ON TABLES FROM {role}"


def identifier(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"
