# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of databases: as of one moment, checksummed, each restored into a scratch database to prove it, and put back.

A backup is a directory FOLDER/ID with one dump for each database, users.json, and manifest.json, which is written last:
a directory without it is unfinished, and the next run removes it.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..files import digest_of, write_atomically
from ..store.lock import alone
from .connection import Login, QueryError, Session, connected, quoted
from .dump import FullError, dump, load
from .errors import MysqlError
from .server import Server

ID = re.compile(r"\d{8}T\d{6}Z")
OWN = frozenset({"information_schema", "performance_schema", "mysql", "sys"})
OWN_USERS = frozenset({"mysql", "root", "mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema"})
SCRATCH = "webstack_proof_"
BEFORE = "before-restore"
#: How many dumps of what a restore has replaced are kept of each database.
KEPT_BEFORE = 3
MANIFEST, USERS = "manifest.json", "users.json"
#: Kept free on the server's disk while a backup is proved: a proof must not be what stops the server.
KEEP_FREE = 0.05
_GRANT_ON = re.compile(r"\bON (?:(?:TABLE|PROCEDURE|FUNCTION) )?(?:`(?P<quoted>(?:[^`]|``)+)`|(?P<plain>[^`\s.]+))\.")


@dataclass(frozen=True)
class Store:
    """Where backups are, of which databases (none named: all), and how to reach the server."""

    folder: Path
    login: Login = field(default_factory=Login)
    databases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Backup:
    """One finished backup."""

    path: Path
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def bytes(self) -> int:
        return sum(int(found["bytes"]) for found in self.manifest["databases"].values())

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "path": str(self.path),
            "bytes": self.bytes,
            "server": self.manifest["server"],
            "databases": {
                name: {"tables": len(found["tables"]), "rows": sum(table["rows"] for table in found["tables"].values())}
                for name, found in self.manifest["databases"].items()
            },
        }


def listed(folder: Path) -> list[Backup]:
    """Return the finished backups, newest first."""
    found = []
    for path in sorted(folder.glob("*"), reverse=True) if folder.is_dir() else []:
        manifest = path / MANIFEST
        if ID.fullmatch(path.name) and manifest.is_file():
            found.append(Backup(path, json.loads(manifest.read_text(encoding="utf-8"))))
    return found


def find(folder: Path, name: str) -> Backup:
    """Return the backup of that name, or the ``latest``."""
    there = listed(folder)
    if not there:
        raise MysqlError(f"there is no backup in {folder}; backup.yml takes one")
    found = there[0] if name == "latest" else next((backup for backup in there if backup.name == name), None)
    if found is None:
        names = ", ".join(backup.name for backup in there[:10])
        raise MysqlError(f"there is no backup {name!r} in {folder}; there are: {names}")
    return found


# --- take -----------------------------------------------------------------------------------------------------------


def take(store: Store, keep: int) -> Backup:
    """Take a backup, prove it, and remove those beyond ``keep``. A failed one leaves nothing behind."""
    _make(store.folder)
    with alone(store.folder), connected(store.login) as session:
        clean(store.folder, session)
        path = store.folder / _now()
        path.mkdir(mode=0o700)
        try:
            manifest = _take(store, session, path)
        except FullError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise MysqlError(
                f"no backup was taken, because a disk is full: {error}. What was written of it is removed, older "
                "backups are untouched. Make room, or keep fewer (mysql_tuning_backup_keep)"
            ) from None
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        finally:
            drop_scratch(session)
        _prune(store.folder, keep)
    return Backup(path, manifest)


def _take(store: Store, session: Session, path: Path) -> dict[str, Any]:
    server = session.server()
    names = list(store.databases) or user_databases(session)
    missing = sorted(set(names) - set(user_databases(session)))
    if missing:
        raise MysqlError(f"mysql_tuning_backup_databases: there is no database {', '.join(missing)} on this server")
    manifest: dict[str, Any] = {"id": path.name, "server": str(server), "databases": {}}
    for name in names:
        manifest["databases"][name] = _take_database(store, session, server, name, path)
    _write(path / USERS, json.dumps(users(session), indent=1))
    manifest["users_sha256"] = digest_of(path / USERS)
    _write(path / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
    return manifest


def _take_database(store: Store, session: Session, server: Server, name: str, path: Path) -> dict[str, Any]:
    before = outline(session, name)
    _see_that_there_is_room(session, name)
    stem = _file_stem(name)
    found = dump(store.login, server, name, path / f"{stem}.sql.gz", ["--routines", "--triggers"])
    if before["events"]:
        # Apart, because events that are loaded into a scratch database would be carried out there.
        options = ["--events", "--no-data", "--no-create-info", "--skip-triggers"]
        found["events"] = dump(store.login, server, name, path / f"{stem}.events.sql.gz", options)
    found.update(_prove(store, session, name, path / found["file"], found.pop("rows"), before))
    return {**found, **_charset(session, name)}


def _prove(
    store: Store, session: Session, name: str, source: Path, rows: Mapping[str, int] | None, before: Mapping[str, Any]
) -> dict[str, Any]:
    """Restore a dump into a scratch database and compare; return what is in it."""
    scratch = f"{SCRATCH}{name}"[:64]
    session.run("SET SESSION sql_log_bin = 0")
    create_database(session, scratch, _charset(session, name))
    load(store.login, scratch, source, binlog=False)
    made = outline(session, scratch)
    after = outline(session, name)
    for what in ("tables", "views", "triggers", "routines"):
        if made[what] != before[what] and before[what] == after[what]:
            differing = sorted(set(made[what]) ^ set(before[what]))
            raise MysqlError(f"the dump of {name} is not whole: restored, its {what} differ in {', '.join(differing)}")
    tables = contents(session, scratch)
    for table, found in tables.items():
        if rows is not None and found["rows"] != rows.get(table, 0):
            raise MysqlError(
                f"the dump of {name} is not whole: {table} has {rows.get(table, 0)} rows in it and {found['rows']} "
                "when it is restored"
            )
    session.run(f"DROP DATABASE {quoted(scratch)}")
    return {"tables": tables, "views": made["views"], "triggers": made["triggers"], "routines": made["routines"]}


def _see_that_there_is_room(session: Session, name: str) -> None:
    """The scratch database is as large as the original, on the server's own disk."""
    directory = Path(str(session.value("SELECT @@datadir")))
    if not directory.is_dir():
        return
    size = int(
        session.value(
            "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = %s",
            [name],
        )
        or 0
    )
    disk = os.statvfs(directory)
    free, kept = disk.f_bavail * disk.f_frsize, int(disk.f_blocks * disk.f_frsize * KEEP_FREE)
    if free - size < kept:
        raise FullError(
            f"to prove the backup of {name} by restoring it takes {size >> 20} MB beside it in {directory}, of "
            f"{free >> 20} MB free {kept >> 20} MB must stay"
        )


# --- what a database is made of ---------------------------------------------------------------------------------------


def user_databases(session: Session) -> list[str]:
    """Return the databases that are not the server's own."""
    names = [str(row["database"]) for row in session.rows("SHOW DATABASES")]
    return sorted(name for name in names if name.lower() not in OWN and not name.startswith(SCRATCH))


def outline(session: Session, database: str) -> dict[str, list[str]]:
    """Return the names of all that a database has."""

    def names(sql: str) -> list[str]:
        return sorted(str(row["name"]) for row in session.rows(sql, [database]))

    base = "FROM information_schema."
    return {
        "tables": names(f"SELECT table_name AS name {base}tables WHERE table_schema = %s AND table_type <> 'VIEW'"),
        "views": names(f"SELECT table_name AS name {base}views WHERE table_schema = %s"),
        "triggers": names(f"SELECT trigger_name AS name {base}triggers WHERE trigger_schema = %s"),
        "routines": names(f"SELECT routine_name AS name {base}routines WHERE routine_schema = %s"),
        "events": names(f"SELECT event_name AS name {base}events WHERE event_schema = %s"),
    }


def contents(session: Session, database: str) -> dict[str, dict[str, Any]]:
    """Return rows, checksum of the rows and a digest of the definition of every table."""
    found: dict[str, dict[str, Any]] = {}
    for table in outline(session, database)["tables"]:
        where = f"{quoted(database)}.{quoted(table)}"
        definition = str(session.rows(f"SHOW CREATE TABLE {where}")[0].get("create table", ""))
        found[table] = {
            "rows": int(session.value(f"SELECT COUNT(*) FROM {where}")),
            "checksum": session.rows(f"CHECKSUM TABLE {where}")[0]["checksum"],
            "definition": hashlib.sha256(_without_counter(definition).encode()).hexdigest(),
        }
    return found


def _without_counter(definition: str) -> str:
    """A restored table may count on from its largest key."""
    return re.sub(r" AUTO_INCREMENT=\d+", "", definition)


def _charset(session: Session, database: str) -> dict[str, str]:
    row = session.rows(
        "SELECT default_character_set_name AS charset, default_collation_name AS collation "
        "FROM information_schema.schemata WHERE schema_name = %s",
        [database],
    )[0]
    return {"charset": str(row["charset"]), "collation": str(row["collation"])}


def create_database(session: Session, name: str, charset: Mapping[str, str]) -> None:
    letters, order = _word(charset["charset"]), _word(charset["collation"])
    session.run(f"CREATE DATABASE {quoted(name)} CHARACTER SET {letters} COLLATE {order}")


def _word(name: str) -> str:
    if not re.fullmatch(r"\w+", name):
        raise MysqlError(f"{name!r} is no character set or collation")
    return name


def users(session: Session) -> list[dict[str, Any]]:
    """Return the users that are not the server's own, each with the statements that make it. They have its hash."""
    found = []
    for row in session.rows("SELECT user AS name, host AS host FROM mysql.user WHERE host <> '' ORDER BY user, host"):
        name, host = _text(row["name"]), _text(row["host"])
        if name in OWN_USERS or not name:
            continue
        account = f"{_string(name)}@{_string(host)}"
        create = session.value(f"SHOW CREATE USER {account}")
        grants = [str(next(iter(grant.values()))) for grant in session.rows(f"SHOW GRANTS FOR {account}")]
        found.append({"name": name, "host": host, "create": str(create), "grants": grants})
    return found


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _string(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def granted_on(grant: str) -> str | None:
    """Return the database that a grant is for; ``None`` for one on everything."""
    found = _GRANT_ON.search(grant)
    if not found or found["plain"]:
        return None
    return found["quoted"].replace("``", "`").replace("\\_", "_").replace("\\%", "%")


# --- restore --------------------------------------------------------------------------------------------------------


def restore(
    store: Store, name: str, database: str | None = None, to: str | None = None, check_mode: bool = False
) -> Backup:
    """Put one of a backup's databases in the place of what is there, or beside it, as ``to`` and without its events.

    What was there is dumped to FOLDER/before-restore first. The users of a restored database that are gone are made
    again, with the password that they had; those that are there keep theirs. Raises ``MysqlError``.
    """
    backup = find(store.folder, name)
    chosen = _chosen(backup, database, to)
    _see_that_it_is_whole(backup)
    with connected(store.login) as session:
        there = user_databases(session)
        if to and to in there:
            raise MysqlError(f"{to} is there already; drop it, or restore to another name")
        if check_mode:
            return backup
        with alone(store.folder):
            for one in chosen:
                _restore_database(store, session, backup, one, to or one, to or one in there)
            if not to:
                _restore_users(session, backup, chosen)
    return backup


def _chosen(backup: Backup, database: str | None, to: str | None) -> list[str]:
    names = list(backup.manifest["databases"])
    if database and database not in names:
        raise MysqlError(f"backup {backup.name} has no database {database!r}; it has {', '.join(names)}")
    if not database and len(names) != 1:
        raise MysqlError(f"which database is to be restored? Backup {backup.name} has {', '.join(names) or 'none'}")
    return [database] if database else names


def _see_that_it_is_whole(backup: Backup) -> None:
    digests = {str(found["file"]): found["sha256"] for found in backup.manifest["databases"].values()}
    for found in backup.manifest["databases"].values():
        if "events" in found:
            digests[found["events"]["file"]] = found["events"]["sha256"]
    digests[USERS] = backup.manifest["users_sha256"]
    for file, digest in digests.items():
        path = backup.path / file
        if not path.is_file() or digest_of(path) != digest:
            raise MysqlError(
                f"{path} is not what was written (its SHA-256 differs). Nothing was changed; take another backup"
            )


def _restore_database(
    store: Store, session: Session, backup: Backup, name: str, target: str, replaces: bool | str
) -> None:
    known = backup.manifest["databases"][name]
    way_back = ""
    if replaces and target == name:
        way_back = _keep_what_is_there(store, session, name)
        session.run(f"DROP DATABASE {quoted(target)}")
    create_database(session, target, known)
    try:
        load(store.login, target, backup.path / known["file"])
        if "events" in known and target == name:
            load(store.login, target, backup.path / known["events"]["file"])
    except MysqlError as error:
        raise MysqlError(f"{target} is not restored whole: {error}.{way_back}") from None
    now = contents(session, target)
    differing = sorted(table for table in {*now, *known["tables"]} if now.get(table) != known["tables"].get(table))
    if differing and str(session.server()) == backup.manifest["server"]:
        raise MysqlError(
            f"{target} is restored, but other than in the backup: {', '.join(differing)}. Unless an app has written to "
            f"it since, do not use it.{way_back}"
        )


def _keep_what_is_there(store: Store, session: Session, name: str) -> str:
    """Dump a database that is about to be replaced, and return how to have that again.

    A restore that fails may be tried again at once: what it then finds is not what was there before the first.
    """
    folder, stem = store.folder / BEFORE, _file_stem(name)
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / f"{stem}.{_now()}.sql.gz"
    fresh = target.with_name(f".{stem}.new")
    try:
        dump(store.login, session.server(), name, fresh, ["--routines", "--triggers", "--events"])
    except FullError as error:
        raise MysqlError(f"nothing was changed: there is no room to keep what {name} has now: {error}") from None
    fresh.replace(target)
    there = sorted(folder.glob(f"{glob.escape(stem)}.????????T??????Z.sql.gz"))
    for old in there[:-KEPT_BEFORE]:
        old.unlink()
    return f" What was there before is in {target}: zcat it into mariadb {name}"


def _restore_users(session: Session, backup: Backup, databases: Sequence[str]) -> None:
    there = {(found["name"], found["host"]) for found in users(session)}
    for user in json.loads((backup.path / USERS).read_text(encoding="utf-8")):
        grants = [grant for grant in user["grants"] if granted_on(grant) in databases]
        if not grants:
            continue
        if (user["name"], user["host"]) not in there:
            session.run(user["create"])
        for grant in grants:
            session.run(grant)


# --- the folder -----------------------------------------------------------------------------------------------------


def clean(folder: Path, session: Session) -> None:
    """Remove what runs that were cut off have left: directories without a manifest, scratch databases."""
    for path in folder.iterdir():
        if ID.fullmatch(path.name) and not (path / MANIFEST).exists():
            shutil.rmtree(path)
    drop_scratch(session)


def drop_scratch(session: Session) -> None:
    with contextlib.suppress(QueryError):
        session.run("SET SESSION sql_log_bin = 0")
        for row in session.rows("SHOW DATABASES"):
            if str(row["database"]).startswith(SCRATCH):
                session.run(f"DROP DATABASE {quoted(str(row['database']))}")


def _prune(folder: Path, keep: int) -> None:
    for backup in listed(folder)[max(1, keep) :]:
        # The manifest first: half a removal is an unfinished backup.
        (backup.path / MANIFEST).unlink()
        shutil.rmtree(backup.path)


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def _now() -> str:
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"


def _file_stem(database: str) -> str:
    return re.sub(r"[^\w.-]", lambda found: f"%{ord(found[0]):x}", database)


def _write(path: Path, content: str) -> None:
    try:
        write_atomically(path, content, 0o600)
    except OSError as error:
        raise FullError(f"{path.parent}: {error.strerror}") from None
