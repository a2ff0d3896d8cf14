# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PgBouncer's settings: many clients in front, few server connections behind."""

from __future__ import annotations

from math import ceil

from ..hardware.types import Cpu
from .errors import SizingError
from .sheet import Sheet
from .types import PgbouncerPlan

#: A client's packet buffers and its share of bookkeeping.
CLIENT_KB = 10
BASE_MB = 8
MIN_CLIENTS = 100
MAX_CLIENTS = 10000
RESERVE_POOL = 3


def most_clients(line_mb: int, open_files: int | None, sheet: Sheet) -> tuple[int, str]:
    """Return how many clients fit into ``line_mb`` and into the open files, and that in words."""
    given = sheet.given_integer("pgbouncer.max_client_conn")
    if given is not None:
        held = BASE_MB + given * CLIENT_KB // 1024
        if held > max(line_mb, BASE_MB + MIN_CLIENTS * CLIENT_KB // 1024):
            sheet.warn(
                f"pgbouncer: {given} clients can take {held} MB, but its part is {line_mb} MB; lower max_client_conn"
            )
        return given, f"{sheet.origin('pgbouncer.max_client_conn')} is {given}"
    most = min(MAX_CLIENTS, max(MIN_CLIENTS, (line_mb - BASE_MB) * 1024 // CLIENT_KB))
    if open_files is not None:
        most = min(most, max(1, open_files // 2))
    return most, f"pgbouncer holds {most} clients"


def pool_size(cpu: Cpu, databases: int, server_connections: int | None, sheet: Sheet) -> int:
    """Return server connections for each database: cores × 2 + 1 (HikariCP), as far as they are admitted."""
    useful = max(5, ceil(2 * cpu.capacity + 1))
    reason = f"2 × {cpu.capacity:.2f} cores' worth + 1 for the disk, 5 at least"
    if server_connections is not None:
        admitted = max(1, server_connections // databases - RESERVE_POOL)
        if admitted < useful:
            useful, reason = admitted, f"PostgreSQL admits {server_connections} over {databases} databases"
    return sheet.integer("pgbouncer.default_pool_size", useful, reason)


def plan_pgbouncer(
    clients: int, most: tuple[int, str], size: int, databases: int, admitted: int | None, sheet: Sheet
) -> PgbouncerPlan:
    """Return the settings for ``clients`` client connections (0: unknown) and pools of ``size``.

    ``admitted`` is what PostgreSQL admits in all, None when it is elsewhere. Raises ``SizingError`` when it was given
    and the pools do not fit.
    """
    wanted = max(MIN_CLIENTS, ceil(clients * 1.25 / 50) * 50)
    reason = f"{clients} connections of the apps plus a quarter, {MIN_CLIENTS} at least" if clients else "usual"
    if most[0] < wanted:
        wanted, reason = most
    spare = RESERVE_POOL if admitted is None else max(0, min(RESERVE_POOL, admitted // databases - size))
    reserve = sheet.integer("pgbouncer.reserve_pool_size", spare, "for clients that waited too long", 0)
    total = databases * (size + reserve)
    given = sheet.given_integer("postgres.max_connections")
    if admitted is not None and given is not None and total > admitted:
        raise SizingError(
            f"{sheet.origin('postgres.max_connections')}: {given} leave {admitted} for pgbouncer, whose pools may open "
            f"{databases} databases × ({size} + {reserve}) = {total}; raise it, lower pgbouncer.default_pool_size, or "
            "use one database for several apps"
        )
    return PgbouncerPlan(
        max_client_conn=sheet.integer("pgbouncer.max_client_conn", wanted, reason),
        default_pool_size=size,
        reserve_pool_size=reserve,
        max_db_connections=sheet.integer("pgbouncer.max_db_connections", size + reserve, "pool + reserve"),
        server_connections=sheet.integer(
            "pgbouncer.server_connections", total, f"{databases} databases × (pool + reserve)"
        ),
    )
