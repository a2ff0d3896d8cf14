# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MySQL's and MariaDB's settings within their line of the memory budget.

Worst case: the buffer pool, the server itself, and every connection with all of its buffers and
one temporary table in memory (MySQLTuner's sum).
"""

from __future__ import annotations

from ..hardware.types import Hardware
from .connections import MAINTENANCE, RESERVED
from .disks import disk_under, free_mb
from .sheet import Sheet
from .types import MysqlPlan

DATA = "/var/lib/mysql"
#: The server without buffer pool and without performance_schema; with it on, some 400 MB more.
BASE_MB = 96
PERFORMANCE_SCHEMA_MB = 400
#: Stack, sort, join, read and network buffers of one connection at their defaults (MariaDB's are the larger).
CONNECTION_MB = 2
MIN_CONNECTIONS = 30
USUAL_CONNECTIONS = 100


def _tmp_table_mb(line_mb: int) -> int:
    return max(1, min(32, line_mb // 512))


def most_connections(line_mb: int, sheet: Sheet) -> tuple[int, str]:
    """Return how many client connections fit into ``line_mb``, a quarter of it kept for the buffer pool."""
    given = sheet.given_integer("mysql.max_connections", RESERVED + MAINTENANCE + 1)
    most = given if given is not None else _fitting(line_mb)
    text = f"its {line_mb} MB hold {most} connections" if given is None else f"max_connections is given as {given}"
    return most - RESERVED - MAINTENANCE, f"{text}, {RESERVED} reserved and {MAINTENANCE} for maintenance"


def _fitting(line_mb: int) -> int:
    # Counted with performance_schema and without rounding the temporary table down: a sum that
    # does not jump, so that a larger line never admits fewer. Small lines hold 40 without either.
    rest = line_mb * 0.75 - BASE_MB
    large = (rest - PERFORMANCE_SCHEMA_MB) / (CONNECTION_MB + max(1.0, min(32.0, line_mb / 512)))
    small = rest / (CONNECTION_MB + 1)
    return max(RESERVED + MAINTENANCE + 1, int(min(small, max(large, 40))))


def plan_mysql(hardware: Hardware, line_mb: int, clients: tuple[int, str], sheet: Sheet) -> MysqlPlan:
    """Return the settings in ``line_mb`` for ``clients``: the connections to admit and their sum in words."""
    schema = sheet.boolean(
        "mysql.performance_schema",
        line_mb >= 4 * PERFORMANCE_SCHEMA_MB,
        f"takes some {PERFORMANCE_SCHEMA_MB} MB; on where that is a quarter of its memory at most",
    )
    tmp_table = sheet.integer(
        "mysql.tmp_table_size_mb",
        _tmp_table_mb(line_mb),
        f"a 512th of {line_mb} MB, 32 at most: each connection may use one",
    )
    connections = _connections(line_mb, clients, sheet)
    server = BASE_MB + (PERFORMANCE_SCHEMA_MB if schema else 0)
    each = CONNECTION_MB + tmp_table
    pool = _buffer_pool(line_mb, server, connections, each, sheet)
    disk = disk_under(hardware, DATA)
    return MysqlPlan(
        max_connections=connections,
        innodb_buffer_pool_size_mb=pool,
        innodb_log_file_size_mb=_redo(pool, free_mb(hardware, DATA), sheet),
        innodb_io_capacity=sheet.integer("mysql.innodb_io_capacity", disk.io_capacity, f"for {disk.name}", 100),
        tmp_table_size_mb=tmp_table,
        table_open_cache=_table_cache(connections, hardware.limits.open_files, sheet),
        thread_cache_size=sheet.integer(
            "mysql.thread_cache_size", min(100, 8 + connections // 100), "8 + a hundredth of the connections", 0
        ),
        performance_schema=schema,
    )


def _connections(line_mb: int, clients: tuple[int, str], sheet: Sheet) -> int:
    fitting = _fitting(line_mb)
    count, text = clients
    if not count:
        computed, reason = min(USUAL_CONNECTIONS, fitting), f"{text}; usual, as far as memory goes"
    else:
        computed, reason = max(min(MIN_CONNECTIONS, fitting), count), f"{text}, {MIN_CONNECTIONS} at least"
    return sheet.integer("mysql.max_connections", computed, reason, RESERVED + MAINTENANCE + 1)


def _buffer_pool(line_mb: int, server: int, connections: int, each: int, sheet: Sheet) -> int:
    rest = line_mb - server - connections * each
    text = f"{line_mb} - {server} for the server - {connections} connections × {each} MB"
    pool = sheet.integer("mysql.innodb_buffer_pool_size_mb", max(16, rest // 8 * 8), text, 5)
    if pool > max(16, rest):
        sheet.warn(f"mysql: a buffer pool of {pool} MB does not fit: {text} leave {rest} MB")
    elif rest < 16:
        sheet.warn(f"mysql: {text} leave no room for a buffer pool; lower max_connections")
    return pool


def _redo(pool: int, free: int | None, sheet: Sheet) -> int:
    computed = min(2048, max(48, pool // 4))
    reason = "a quarter of the buffer pool, from 48 to 2048"
    if free is not None and free // 20 < computed:
        computed, reason = max(4, free // 20), f"a twentieth of {free} MB free"
    return sheet.integer("mysql.innodb_log_file_size_mb", computed, reason, 4)


def _table_cache(connections: int, open_files: int | None, sheet: Sheet) -> int:
    computed, reason = 2000, "the default"
    if open_files is not None and (open_files - connections - 10) // 2 < computed:
        computed = max(64, (open_files - connections - 10) // 2)
        reason = f"half of what {open_files} open files leave beside {connections} connections"
    return sheet.integer("mysql.table_open_cache", computed, reason)
