# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables a server has, and what the plan means in them.

The versions are those of the servers' own manuals: MySQL's "Server and Status Variables and Options
Added, Deprecated, or Removed", MariaDB's pages "System Variables" and "InnoDB System Variables".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

from .errors import MysqlError
from .server import MYSQL, NAMES, Server, Version

Value = Union[bool, int, float, str]

MB = 1 << 20
_NEVER: Version = (999,)
_ALWAYS: Version = (0,)
_SUFFIXES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_WORDS = {"ON": 1, "TRUE": 1, "YES": 1, "OFF": 0, "FALSE": 0, "NO": 0}


@dataclass(frozen=True)
class Span:
    """In which versions of one flavour a variable is, and from which on it can be set while the server runs.

    ``gone`` is where it is deprecated, ignored or removed, whichever was first: from there on it is not written.
    """

    since: Version = _ALWAYS
    gone: Version = _NEVER
    live: Version = _ALWAYS


@dataclass(frozen=True)
class Fact:
    """One variable; ``None`` where a flavour never had it. ``instead`` is what a person should do where it is gone."""

    mariadb: Span | None = Span()
    mysql: Span | None = Span()
    instead: str = ""

    def span(self, server: Server) -> Span | None:
        return self.mariadb if server.is_mariadb else self.mysql


def _static(**limits: Version) -> Span:
    return Span(live=_NEVER, **limits)


FACTS: Mapping[str, Fact] = {
    "max_connections": Fact(),
    "innodb_buffer_pool_size": Fact(),
    "innodb_buffer_pool_instances": Fact(_static(gone=(10, 5, 1)), _static(), "it has one instance; leave it out"),
    # MariaDB chooses it well from 10.8.1 on, and ignores it from 10.11.12, 11.4.6 and 11.8.2 on.
    "innodb_buffer_pool_chunk_size": Fact(_static(gone=(10, 8, 1)), _static(), "leave it out"),
    "innodb_log_file_size": Fact(
        Span(live=(10, 9, 1)), _static(gone=(8, 0, 30)), "innodb_redo_log_capacity is the whole redo log"
    ),
    "innodb_log_files_in_group": Fact(
        _static(gone=(10, 5, 2)), _static(gone=(8, 0, 30)), "the redo log's whole size is one variable"
    ),
    "innodb_redo_log_capacity": Fact(None, Span(since=(8, 0, 30)), "set innodb_log_file_size"),
    "innodb_io_capacity_max": Fact(),
    "innodb_io_capacity": Fact(),
    "innodb_flush_method": Fact(_static(gone=(11, 0, 1)), _static(), "O_DIRECT is its default"),
    "tmp_table_size": Fact(),
    "max_heap_table_size": Fact(),
    "temptable_max_ram": Fact(None, Span(since=(8, 0, 2)), "set tmp_table_size"),
    "table_open_cache": Fact(),
    "thread_cache_size": Fact(),
    "performance_schema": Fact(_static(), _static()),
    "key_buffer_size": Fact(),
    "aria_pagecache_buffer_size": Fact(_static(), None, "leave it out"),
    "slow_query_log": Fact(),
    "slow_query_log_file": Fact(),
    "long_query_time": Fact(),
    "query_cache_type": Fact(mysql=Span(gone=(5, 7, 20)), instead="MySQL has no query cache; leave it out"),
    "query_cache_size": Fact(mysql=Span(gone=(5, 7, 20)), instead="MySQL has no query cache; leave it out"),
    "query_cache_limit": Fact(mysql=Span(gone=(5, 7, 20)), instead="MySQL has no query cache; leave it out"),
    # Never written by us; known so that somebody who asks for one is told what became of it.
    "default_authentication_plugin": Fact(None, _static(gone=(8, 0, 27)), "set authentication_policy"),
    "expire_logs_days": Fact(mysql=Span(gone=(8, 0, 1)), instead="set binlog_expire_logs_seconds"),
    "innodb_additional_mem_pool_size": Fact(None, None, "leave it out"),
    "innodb_checksums": Fact(_static(gone=_ALWAYS), _static(gone=_ALWAYS), "leave it out"),
    "innodb_commit_concurrency": Fact(Span(gone=(10, 5, 5)), Span(), "leave it out"),
    "innodb_file_format": Fact(Span(gone=_ALWAYS), Span(gone=_ALWAYS), "leave it out; tables are Barracuda"),
    "innodb_file_per_table": Fact(Span(gone=(11, 0, 1)), Span(), "it is on; leave it out"),
    "innodb_large_prefix": Fact(Span(gone=_ALWAYS), Span(gone=_ALWAYS), "leave it out; it is always on"),
    "innodb_locks_unsafe_for_binlog": Fact(_static(gone=_ALWAYS), _static(gone=_ALWAYS), "set transaction_isolation"),
    "innodb_support_xa": Fact(Span(gone=_ALWAYS), Span(gone=_ALWAYS), "leave it out; it is always on"),
    "innodb_thread_concurrency": Fact(Span(gone=(10, 5, 5)), Span(), "leave it out"),
    "innodb_undo_logs": Fact(Span(gone=(10, 5, 0)), Span(gone=_ALWAYS), "leave it out"),
    "log_warnings": Fact(mysql=Span(gone=_ALWAYS), instead="set log_error_verbosity"),
    "master_info_repository": Fact(None, Span(gone=(8, 0, 23)), "leave it out"),
    "old_passwords": Fact(mysql=Span(gone=_ALWAYS), instead="leave it out"),
    "secure_auth": Fact(Span(gone=(10, 6, 17)), Span(gone=_ALWAYS), "leave it out; it is always on"),
    "sync_frm": Fact(mysql=Span(gone=_ALWAYS), instead="leave it out"),
    "tx_isolation": Fact(Span(gone=(11, 1, 1)), Span(gone=(5, 7, 20)), "set transaction_isolation"),
    "tx_read_only": Fact(Span(gone=(11, 1, 1)), Span(gone=(5, 7, 20)), "set transaction_read_only"),
}

#: Caches of engines that hold system tables and temporary tables on disk. A plan has them in what the server itself
#: takes (sizing/mysql.py), and MariaDB's defaults of 128 MB each would go beyond it (MySQLTuner counts both).
OTHER_ENGINES: Mapping[str, Value] = {"key_buffer_size": 8 * MB, "aria_pagecache_buffer_size": 16 * MB}


@dataclass(frozen=True)
class SlowLog:
    """The log of slow queries; ``seconds`` is how long a query takes at least to be in it."""

    enabled: bool = True
    file: str = "/var/log/mysql/slow.log"
    seconds: float = 1.0


def has(server: Server, name: str) -> bool:
    """Say whether this server has the variable and does not call it deprecated; unknown ones count as there."""
    fact = FACTS.get(name)
    if fact is None:
        return True
    span = fact.span(server)
    return span is not None and span.since <= server.version < span.gone


def is_live(server: Server, name: str) -> bool | None:
    """Say whether it can be set while this server runs; ``None`` where it is not known here."""
    fact = FACTS.get(name)
    span = fact.span(server) if fact else None
    return None if span is None else server.version >= span.live


def settings_for(
    server: Server, plan: Mapping[str, Any], slow_log: SlowLog, others: Mapping[str, Value]
) -> dict[str, Value]:
    """Return what to write for this server: the plan in its variables, and ``others`` as they were given.

    ``plan`` is ``sizing.mysql`` of a plan; sizes are returned in bytes. Raises ``MysqlError`` naming every one
    of ``others`` that this server does not have.
    """
    computed: dict[str, Value] = {
        **_from_plan(server, plan),
        "slow_query_log": slow_log.enabled,
        "slow_query_log_file": slow_log.file,
        "long_query_time": slow_log.seconds,
        "query_cache_type": 0,
        "query_cache_size": 0,
        **OTHER_ENGINES,
    }
    if not server.since(mariadb=(10, 6), mysql=(8, 4)):
        # The default by then. Without it every page is in memory twice, which no plan counts.
        computed["innodb_flush_method"] = "O_DIRECT"
    given = {name.replace("-", "_").lower(): value for name, value in others.items()}
    problems = [text for name in given for text in _problem(server, name)]
    if problems:
        raise MysqlError("\n".join(problems))
    return {**{name: value for name, value in computed.items() if has(server, name)}, **given}


def _problem(server: Server, name: str) -> list[str]:
    if has(server, name):
        return []
    fact = FACTS[name]
    span = fact.span(server)
    if span is None or server.version < span.since:
        what = f"{NAMES[server.flavour]} has no such variable" if span is None else f"{server} does not have it yet"
    elif span.gone == _ALWAYS:
        what = f"it is deprecated or gone in {server}"
    else:
        what = f"it is deprecated or gone from {Server(server.flavour, span.gone)} on, this is {server}"
    return [f"mysql_tuning_settings: {name}: {what}; {fact.instead or 'leave it out'}"]


def _from_plan(server: Server, plan: Mapping[str, Any]) -> dict[str, Value]:
    pool, instances, chunk = buffer_pool(server, int(plan["innodb_buffer_pool_size_mb"]) * MB)
    redo = int(plan["innodb_log_file_size_mb"]) * MB
    # Where the redo log is files in a group, there are two by default.
    files = 1 if server.since(mariadb=(10, 5, 2)) else 2
    tmp_table = int(plan["tmp_table_size_mb"]) * MB
    connections = int(plan["max_connections"])
    io_capacity = int(plan["innodb_io_capacity"])
    return {
        "max_connections": connections,
        "innodb_buffer_pool_size": pool,
        "innodb_buffer_pool_instances": instances,
        "innodb_buffer_pool_chunk_size": chunk,
        "innodb_log_file_size": max(4 * MB, redo // files // MB * MB),
        "innodb_redo_log_capacity": max(8 * MB, redo),
        # The upper limit first: the server refuses a capacity above it.
        "innodb_io_capacity_max": 2 * io_capacity,
        "innodb_io_capacity": io_capacity,
        "tmp_table_size": tmp_table,
        "max_heap_table_size": tmp_table,
        # A limit for all connections together: the budget counts one table for each.
        "temptable_max_ram": min(1024 * MB, max(2 * MB, tmp_table * connections)),
        "table_open_cache": int(plan["table_open_cache"]),
        "thread_cache_size": int(plan["thread_cache_size"]),
        "performance_schema": bool(plan["performance_schema"]),
    }


def buffer_pool(server: Server, size: int) -> tuple[int, int, int]:
    """Return size, instances and chunk size of the buffer pool, the size rounded down to what the server makes of it.

    MySQL rounds the pool *up* to a multiple of instances × chunk, by default 8 × 128 MB: more than was planned.
    Instances as MySQLTuner has them, one for each GB and 8 at most; at most 1000 chunks, as MySQL's manual asks.
    """
    rounds = server.flavour == MYSQL or not has_no_chunks(server)
    instances = max(1, min(8, size >> 30)) if has(server, "innodb_buffer_pool_instances") else 1
    chunk = 8 * MB
    while size // instances // chunk > 1000:
        chunk *= 2
    step = instances * chunk if rounds else MB
    return max(step, size // step * step), instances, chunk


def has_no_chunks(server: Server) -> bool:
    """Say whether a pool of whole megabytes stays as it is: MariaDB that chooses its chunks itself."""
    return server.since(mariadb=(10, 8, 1))


def render(settings: Mapping[str, Value], server: Server, note: str) -> str:
    """Return the text of the drop-in."""
    lines = [f"# {note}", f"# For {server}.", "[mysqld]"]
    lines += [f"{name} = {text(value)}" for name, value in settings.items()]
    return "\n".join(lines) + "\n"


def names_in(drop_in: str) -> list[str]:
    """Return the names of the variables in the text of a drop-in."""
    pairs = (line.partition("=") for line in drop_in.splitlines() if not line.lstrip().startswith(("#", ";", "[")))
    return [name.strip().replace("-", "_") for name, equals, _value in pairs if equals]


def text(value: Value) -> str:
    """Return a value as an options file has it: ``ON``, ``64M``, ``0.5``."""
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    if isinstance(value, int) and value >= MB and value % MB == 0:
        return f"{value // MB}M"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def comparable(value: Any) -> int | float | str:
    """Return a value in a form in which ``ON``, ``TRUE`` and ``1``, or ``64M`` and ``67108864``, are the same."""
    if isinstance(value, (bool, int, float)):
        return float(value)
    word = str(value).strip()
    if word.upper() in _WORDS:
        return float(_WORDS[word.upper()])
    number, factor = (word[:-1], _SUFFIXES[word[-1].upper()]) if word[-1:].upper() in _SUFFIXES else (word, 1)
    try:
        return float(number) * factor
    except ValueError:
        return word if "/" in word else word.casefold()


def differing(wanted: Mapping[str, Value], live: Mapping[str, Any]) -> dict[str, Value]:
    """Return those of ``wanted`` that a server which says ``live`` of itself does not have."""
    return {
        name: value for name, value in wanted.items() if name in live and comparable(live[name]) != comparable(value)
    }


def literal(value: Value) -> Value:
    """Return a value as ``SET GLOBAL`` takes it: sizes as numbers, words as words."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        known = comparable(value)
        if isinstance(known, (int, float)):
            return int(known) if known == int(known) else known
    return value
