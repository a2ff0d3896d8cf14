# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's settings within its line of the memory budget.

Worst case: shared buffers, every connection and every parallel worker with a hash of twice
work_mem (hash_mem_multiplier is 2 since version 15), all autovacuum workers and one maintenance
command at once. Work memory follows from the connections, never the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..hardware.types import Hardware
from .connections import MAINTENANCE, RESERVED
from .disks import disk_under, storage_under
from .sheet import Sheet
from .types import PostgresPlan

DATA = "/var/lib/postgresql"
#: Postmaster, checkpointer, writers and WAL buffers.
OVERHEAD_MB = 16
#: Private memory of a backend with warm catalogue caches; page tables of the shared buffers come on top.
BACKEND_MB = 4
#: A 4 KiB page of shared buffers costs each backend that touched it 8 bytes of page table.
PAGE_TABLE = 1 / 512
#: The least that lets a sort of some thousand rows stay in memory; PGTune's floor of 4 MB breaks small hosts.
MIN_WORK_MEM_KB = 512
MAX_WORK_MEM_KB = 256 * 1024
HASH_MULTIPLIER = 2
MIN_CLIENT_MB = HASH_MULTIPLIER * MIN_WORK_MEM_KB / 1024
MIN_BUFFERS_MB = 8
#: What buffers leave to the rest of a small line, and their part of what is above it: a quarter of a host of its own,
#: as the manual advises. An index of pgvector is read all over in every search, and what buffers lack is copied from
#: the page cache anew each time: there they get more (measured: tests/bench/data.py).
BEFORE_BUFFERS_MB = 160
BUFFERS_PART, VECTOR_BUFFERS_PART = 0.40, 0.57
AUTOVACUUM_WORKERS = 3
#: Patroni refuses fewer; where no client is known, PostgreSQL's own default.
MIN_CONNECTIONS = 25
USUAL_CONNECTIONS = 100


@dataclass(frozen=True)
class Layout:
    """How a line of the budget is divided; ``clients_mb`` is for connections and parallel workers."""

    line_mb: int
    shared_buffers_mb: float
    maintenance_mb: float

    @property
    def clients_mb(self) -> float:
        return self.line_mb - self.shared_buffers_mb - self.maintenance_mb - OVERHEAD_MB

    @property
    def backend_mb(self) -> float:
        return BACKEND_MB + self.shared_buffers_mb * PAGE_TABLE

    @property
    def fitting(self) -> int:
        """How many connections fit when each has the least of work memory."""
        return max(RESERVED + MAINTENANCE + 1, int(self.clients_mb / (self.backend_mb + MIN_CLIENT_MB)))


def _buffers_part(vector: bool) -> float:
    return VECTOR_BUFFERS_PART if vector else BUFFERS_PART


def _exact(line_mb: int, vector: bool, given_buffers: int | None) -> Layout:
    """Divide ``line_mb`` without rounding anything, so that a larger line never holds fewer connections."""
    buffers: float = max(line_mb / 6, (line_mb - BEFORE_BUFFERS_MB) * _buffers_part(vector))
    return Layout(line_mb, buffers if given_buffers is None else given_buffers, line_mb / 12)


def most_connections(line_mb: int, vector: bool, sheet: Sheet) -> tuple[int, str]:
    """Return how many client connections fit into ``line_mb`` beside maintenance and superusers."""
    given = sheet.given_integer("postgres.max_connections", RESERVED + MAINTENANCE + 1)
    if given is not None:
        most, text = given, f"{sheet.origin('postgres.max_connections')} is {given}"
    else:
        most = _exact(line_mb, vector, sheet.given_integer("postgres.shared_buffers_mb", MIN_BUFFERS_MB)).fitting
        text = f"its {line_mb} MB hold {most} connections"
    return most - RESERVED - MAINTENANCE, f"{text}, {RESERVED} reserved and {MAINTENANCE} for maintenance"


def plan_postgres(
    hardware: Hardware, line_mb: int, cache_mb: int, cpus: float, clients: tuple[int, str], vector: bool, sheet: Sheet
) -> PostgresPlan:
    """Return PostgreSQL's settings in ``line_mb``.

    ``cache_mb`` of page cache stands beside it; ``cpus`` is its share of the processors; ``clients``
    the connections to admit and their sum in words; ``vector`` says that an app uses pgvector.
    """
    exact = _exact(line_mb, vector, sheet.given_integer("postgres.shared_buffers_mb", MIN_BUFFERS_MB))
    buffers = sheet.integer(
        "postgres.shared_buffers_mb",
        int(exact.shared_buffers_mb) // 8 * 8,
        f"{_buffers_part(vector):.0%} of ({line_mb} - {BEFORE_BUFFERS_MB}) MB, a sixth at least, in steps of 8"
        + ("; pgvector's indexes are searched in them" if vector else ""),
        MIN_BUFFERS_MB,
    )
    layout = Layout(line_mb, buffers, line_mb // 12)
    connections = _connections(exact.fitting, clients, sheet)
    parallel = _parallel(layout, connections, cpus, sheet)
    work_mem = _work_mem(layout, connections, parallel, sheet)
    maintenance, autovacuum = _maintenance(layout, vector, sheet)
    vacuums = sheet.integer("postgres.autovacuum_max_workers", AUTOVACUUM_WORKERS, "PostgreSQL's default")
    if maintenance + vacuums * autovacuum > layout.maintenance_mb + 1:
        sheet.warn(
            f"postgres: maintenance_work_mem of {maintenance} MB and {vacuums} autovacuum workers with {autovacuum} MB "
            f"each can take {maintenance + vacuums * autovacuum} MB, but {layout.maintenance_mb:.0f} MB are planned "
            "for them; lower one of the three"
        )
    disk = disk_under(hardware, DATA)
    min_wal, max_wal = _wal(hardware, sheet)
    return PostgresPlan(
        max_connections=connections,
        superuser_reserved_connections=sheet.integer(
            "postgres.superuser_reserved_connections", RESERVED, "PostgreSQL's default", 1
        ),
        shared_buffers_mb=buffers,
        effective_cache_size_mb=sheet.integer(
            "postgres.effective_cache_size_mb",
            buffers + max(0, cache_mb),
            f"{buffers} of shared buffers + {max(0, cache_mb)} MB of page cache, which counts from the memory rounded "
            "down; reserves nothing",
        ),
        work_mem_kb=work_mem,
        maintenance_work_mem_mb=maintenance,
        autovacuum_work_mem_mb=autovacuum,
        autovacuum_max_workers=vacuums,
        max_worker_processes=sheet.integer(
            "postgres.max_worker_processes", 8 + parallel, "PostgreSQL's default of 8 + the parallel workers"
        ),
        max_parallel_workers=parallel,
        max_parallel_workers_per_gather=sheet.integer(
            "postgres.max_parallel_workers_per_gather",
            min(4, parallel // 2),
            "half of the parallel workers, 4 at most",
            0,
        ),
        max_parallel_maintenance_workers=sheet.integer(
            "postgres.max_parallel_maintenance_workers", min(4, (parallel + 1) // 2), "half of them, rounded up", 0
        ),
        min_wal_size_mb=min_wal,
        max_wal_size_mb=max_wal,
        random_page_cost=sheet.number("postgres.random_page_cost", disk.random_page_cost, f"for {disk.name}"),
        effective_io_concurrency=sheet.integer(
            "postgres.effective_io_concurrency", disk.io_concurrency, f"for {disk.name}", 0
        ),
        huge_pages=sheet.choice(
            "postgres.huge_pages",
            "try" if buffers >= 2048 else "off",
            "from 2 GB of shared buffers on they save page tables",
            ("on", "off", "try"),
        ),
    )


def _connections(fitting: int, clients: tuple[int, str], sheet: Sheet) -> int:
    count, text = clients
    if not count:
        computed, reason = min(USUAL_CONNECTIONS, fitting), f"{text}; PostgreSQL's default, as far as memory goes"
    else:
        computed, reason = max(min(MIN_CONNECTIONS, fitting), count), f"{text}, {MIN_CONNECTIONS} at least"
    return sheet.integer("postgres.max_connections", computed, reason, RESERVED + MAINTENANCE + 1)


def _parallel(layout: Layout, connections: int, cpus: float, sheet: Sheet) -> int:
    fitting = max(0, layout.fitting - connections)
    useful = int(cpus) if cpus >= 2 else 0
    reason = f"its share is {cpus:.2f} cores' worth" + ("" if useful else "; below 2 parallel queries do not pay")
    if fitting < useful:
        reason = f"memory holds {fitting} beside {connections} connections"
    return sheet.integer("postgres.max_parallel_workers", min(useful, fitting), reason, 0)


def _work_mem(layout: Layout, connections: int, parallel: int, sheet: Sheet) -> int:
    exact = (layout.clients_mb / (connections + parallel) - layout.backend_mb) * 1024 / HASH_MULTIPLIER
    computed = max(64, min(MAX_WORK_MEM_KB, int(exact) // 64 * 64))
    value = sheet.integer(
        "postgres.work_mem_kb",
        computed,
        f"({layout.clients_mb:.0f} MB ÷ ({connections} connections + {parallel} parallel) - {layout.backend_mb:.1f} MB "
        f"for a backend) ÷ {HASH_MULTIPLIER}, {MAX_WORK_MEM_KB // 1024} MB at most, in steps of 64 kB",
        64,
    )
    worst = (connections + parallel) * (layout.backend_mb + HASH_MULTIPLIER * value / 1024)
    if worst > layout.clients_mb + 1:
        sheet.warn(
            f"postgres: {connections} connections with {value} kB of work_mem each can take {worst:.0f} MB, but "
            f"{layout.clients_mb:.0f} MB are left for them; lower either, or put pgbouncer in front"
        )
    return value


def _maintenance(layout: Layout, vector: bool, sheet: Sheet) -> tuple[int, int]:
    half = min(2047, int(layout.maintenance_mb // 2))
    why = f"half of a twelfth of {layout.line_mb} MB, 2047 at most"
    why += "; pgvector builds indexes in it" if vector else ""
    maintenance = sheet.integer("postgres.maintenance_work_mem_mb", half, why)
    autovacuum = sheet.integer(
        "postgres.autovacuum_work_mem_mb",
        max(1, min(1024, int(layout.maintenance_mb // 2 // AUTOVACUUM_WORKERS))),
        f"the other half over {AUTOVACUUM_WORKERS} workers, 1024 at most",
    )
    return maintenance, autovacuum


def _wal(hardware: Hardware, sheet: Sheet) -> tuple[int, int]:
    # Of the disk's size: by the free space the plan would change with every file that somebody writes.
    storage = storage_under(hardware, DATA)
    size = storage.size_mb if storage is not None else None
    most = 1024 if size is None else max(128, min(4096, size // 40 // 16 * 16))
    where = "PostgreSQL's default, the disk's size is not known" if size is None else f"a fortieth of a {size} MB disk"
    largest = sheet.integer("postgres.max_wal_size_mb", most, f"{where}, from 128 to 4096", 32)
    return sheet.integer("postgres.min_wal_size_mb", max(32, largest // 4), "a quarter of max_wal_size", 32), largest
