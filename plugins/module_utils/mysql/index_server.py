# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read tables, create and drop indexes on a live server without keeping its users from writing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .connection import QueryError, Session, quoted
from .errors import MysqlError
from .index_types import MARK, Column, Table, definitions, read_indexes
from .server import Server

_NEEDED = 1553
_LOST = (0, 1053, 1317, 1927, 2006, 2013)
_LOCK_WAIT, _LOG_FULL, _NOT_ONLINE, _DISK_FULL = 1205, 1799, (1845, 1846), (1021, 1114, 3, 28, 1034)
_SORT_FAILED = 1878
_SIZES = {
    "tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8, "float": 4, "double": 8, "decimal": 16,
    "date": 3, "time": 6, "datetime": 8, "timestamp": 7, "year": 1, "bit": 8, "enum": 2, "set": 8,
    "uuid": 16, "inet4": 4, "inet6": 16,
}  # fmt: skip
_NEED_PREFIX = ("text", "blob")
_NOT_INDEXABLE = ("json", "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon")


class UnclearError(MysqlError):
    """The connection broke during a statement, which the server may still carry out."""


class NeededError(MysqlError):
    """An index cannot go, because a foreign key has no other."""


@dataclass(frozen=True)
class Patience:
    """How long a statement may wait for a table's lock (s), how often it is tried, and the pause in between (s).

    Whoever writes to the table waits behind it meanwhile, so one wait is short.
    """

    seconds: int = 5
    attempts: int = 5
    pause: float = 5


def read_tables(session: Session, database: str, names: Iterable[str] | None = None) -> dict[str, Table]:
    """Return the tables of a database, or those of ``names`` that are there."""
    shown = session.rows(
        "SELECT table_name, table_type, engine, table_rows, avg_row_length FROM information_schema.tables "
        "WHERE table_schema = %s AND table_type <> 'SYSTEM VERSIONED TEMPORARY'",
        [database],
    )
    wanted = None if names is None else set(names)
    # MySQL's own names of tables and schemas are those of files: exact on Linux.
    found = [row for row in shown if wanted is None or row["table_name"] in wanted]
    statistics = _by_table(
        session.rows("SELECT * FROM information_schema.statistics WHERE table_schema = %s", [database])
    )
    columns = _by_table(session.rows("SELECT * FROM information_schema.columns WHERE table_schema = %s", [database]))
    return {
        str(row["table_name"]): _table(session, row, columns, statistics)
        for row in found
        if row["table_type"] in ("BASE TABLE", "VIEW", "SYSTEM VERSIONED")
    }


def table_names(session: Session, database: str) -> list[str]:
    found = session.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", [database])
    return sorted(str(row["table_name"]) for row in found)


def make_patient(session: Session, server: Server) -> None:
    """Let none of the server's own limits end a session that builds an index, or waits while queries are measured."""
    session.run("SET SESSION wait_timeout = 28800")
    if server.is_mariadb:
        session.run("SET SESSION max_statement_time = 0")


def _by_table(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(str(row["table_name"]), []).append(row)
    return grouped


def _table(
    session: Session,
    row: Mapping[str, Any],
    columns: Mapping[str, list[Mapping[str, Any]]],
    statistics: Mapping[str, list[Mapping[str, Any]]],
) -> Table:
    name = str(row["table_name"])
    is_view = row["table_type"] == "VIEW"
    texts = {} if is_view else definitions(show_create_table(session, name))
    return Table(
        name=name,
        engine="" if is_view else str(row["engine"] or ""),
        rows=int(row["table_rows"] or 0),
        row_bytes=int(row["avg_row_length"] or 0),
        columns={str(column["column_name"]): _column(column) for column in columns.get(name, [])},
        indexes=read_indexes(statistics.get(name, []), texts),
    )


def show_create_table(session: Session, table: str) -> str:
    return str(session.rows(f"SHOW CREATE TABLE {quoted(table)}")[0]["create table"])


def _column(row: Mapping[str, Any]) -> Column:
    kind = str(row["data_type"]).lower()
    octets = row["character_octet_length"]
    # MariaDB's JSON is LONGTEXT with a check.
    return Column(
        name=str(row["column_name"]),
        type=kind,
        octets=_SIZES.get(kind, 8) if octets is None else int(octets),
        characters=None if octets is None else int(row["character_maximum_length"] or octets),
        in_full=not kind.endswith(_NEED_PREFIX),
        indexable=kind not in _NOT_INDEXABLE,
    )


def change(session: Session, statement: str, table: str, patience: Patience) -> float:
    """Run a statement that changes a table's indexes; return the seconds it took.

    Raises ``MysqlError`` that says who holds the table when it cannot have it within ``patience``.
    """
    session.run("SET SESSION lock_wait_timeout = %s", [patience.seconds])
    for attempt in range(1, patience.attempts + 1):
        started = time.monotonic()
        try:
            session.run(statement)
            return time.monotonic() - started
        except QueryError as error:
            if error.code in _LOST:
                raise UnclearError(
                    f"{table}: the connection to the server broke during {statement}: {error}. The server may go on "
                    "with it; run this again, which waits for it and takes up what is left"
                ) from None
            if error.code == _NEEDED:
                raise NeededError(_why_refused(error, table, statement)) from None
            if error.code != _LOCK_WAIT:
                raise MysqlError(_why_refused(error, table, statement)) from None
        if attempt < patience.attempts:
            time.sleep(patience.pause)
    raise MysqlError(
        f"{table} is in use by a transaction that does not end, so its indexes cannot be changed: {statement} waited "
        f"{patience.attempts} times {patience.seconds} s. {blockers(session)}. End that transaction, or run this again "
        "when it has ended; what was done before it stays and is not done twice"
    )


def _why_refused(error: QueryError, table: str, statement: str) -> str:
    if error.code in _NOT_ONLINE:
        return (
            f"{table}: the server cannot do this while others write, so it was not done: {error}. In a quiet hour it "
            f"can be done by hand: {statement.split(' ALGORITHM=')[0]}"
        )
    if error.code == _LOG_FULL:
        return (
            f"{table}: so much was written to it meanwhile that the log of those writes was full, and the index was "
            f"given up: {error}. Raise innodb_online_alter_log_max_size (SET GLOBAL), or run this in a quieter hour"
        )
    if error.code in _DISK_FULL:
        return f"{table}: the disk is full, the index was given up and nothing of it is left: {error}. Make room"
    if error.code == _SORT_FAILED:
        return (
            f"{table}: the server could not write what it sorts, so the index was given up and nothing of it is left: "
            f"{error}. The disk of its directory for that is full (SELECT @@innodb_tmpdir, or @@tmpdir where that is "
            "NULL). Make room, or SET GLOBAL innodb_tmpdir to a directory on another disk"
        )
    if error.code in (1142, 1044, 1227):
        return f"{table}: the user lacks a privilege (SELECT and INDEX; ALTER too for a rollback): {error}"
    return f"{table}: {error}: {statement}"


def blockers(session: Session) -> str:
    """Say which transactions have been open for a second or more, oldest first, as far as this user may see them."""
    try:
        found = session.rows(
            "SELECT t.trx_mysql_thread_id AS id, p.user AS user, p.host AS host, p.time AS time, p.info AS info, "
            "TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) AS seconds "
            "FROM information_schema.innodb_trx t "
            "JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id "
            "WHERE p.id <> CONNECTION_ID() AND t.trx_started <= NOW() - INTERVAL 1 SECOND "
            "ORDER BY t.trx_started LIMIT 3"
        )
    except QueryError:
        return "Who it is can be seen with the privilege PROCESS"
    if not found:
        return "No open transaction is to be seen; it may be another user's (PROCESS shows them)"
    return "Open are " + "; ".join(
        f"connection {row['id']} of {row['user']}@{row['host']} for {row['seconds']} s"
        + (f" ({str(row['info'])[:80]})" if row["info"] else " (idle)")
        for row in found
    )


def wait_for_our_statement(session: Session, database: str, seconds: float, tick: Callable[[str], None]) -> None:
    """Wait until no statement of an earlier run of ours works on the database any more.

    A server goes on with a statement whose client was killed. Raises ``MysqlError`` when it takes too long.
    """
    end = time.monotonic() + seconds
    while True:
        found = session.rows(
            "SELECT id, time, state, info FROM information_schema.processlist "
            "WHERE db = %s AND info LIKE %s AND id <> CONNECTION_ID()",
            [database, f"%/* {MARK} %"],
        )
        if not found:
            return
        what = f"{found[0]['info']} (connection {found[0]['id']}, for {found[0]['time']} s, {found[0]['state']})"
        if time.monotonic() >= end:
            raise MysqlError(f"the server is still at work on an earlier run: {what}. Wait for it and run this again")
        tick(what)
        time.sleep(0.5)


def analyze(session: Session, table: str, patience: Patience) -> None:
    """Have a table's statistics made anew, so that the optimizer knows what there is."""
    session.run("SET SESSION lock_wait_timeout = %s", [max(patience.seconds, 10)])
    session.rows(f"ANALYZE TABLE {quoted(table)}")


def index_megabytes(session: Session, database: str, table: str, name: str) -> float | None:
    """Return the size of an index, from the server's own statistics, which not every user may read."""
    try:
        pages = session.value(
            "SELECT stat_value FROM mysql.innodb_index_stats "
            "WHERE database_name = %s AND table_name = %s AND index_name = %s AND stat_name = 'size'",
            [database, table, name],
        )
        size = session.value("SELECT @@innodb_page_size")
    except QueryError:
        return None
    return None if pages is None else round(int(pages) * int(size) / (1 << 20), 2)
