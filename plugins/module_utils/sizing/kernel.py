# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings that the services of this host need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from ..hardware.types import Hardware
from .sheet import Sheet
from .types import GunicornPlan, KernelPlan

#: The kernel's default since 5.4; less makes a full backlog refuse connections.
SOMAXCONN = 4096
STATEFUL = ("mysql", "postgres", "redis")


def plan_kernel(
    hardware: Hardware, services: Mapping[str, Any], apps: Sequence[GunicornPlan], sheet: Sheet
) -> KernelPlan:
    """Return the settings for the planned ``services`` and ``apps``."""
    backlog = max((app.backlog for app in apps), default=0)
    forks = "redis" in services
    stateful = [name for name in STATEFUL if name in services]
    return KernelPlan(
        overcommit_memory=sheet.integer(
            "kernel.overcommit_memory",
            1 if forks else 0,
            "Redis forks to save, and must not be refused" if forks else "the default; nothing here forks large",
            0,
        ),
        somaxconn=sheet.integer(
            "kernel.somaxconn",
            max(SOMAXCONN, backlog),
            "the kernel's default" + (f", at least the backlog of {backlog}" if apps else ""),
        ),
        swappiness=sheet.integer(
            "kernel.swappiness",
            10 if stateful else 60,
            f"low, to keep {', '.join(stateful)} in memory" if stateful else "the kernel's default",
            0,
        ),
        nr_hugepages=_huge_pages(hardware, services, sheet),
        open_files=_open_files(hardware, services, apps, sheet),
    )


def _huge_pages(hardware: Hardware, services: Mapping[str, Any], sheet: Sheet) -> int:
    postgres = services.get("postgres")
    size_kb = hardware.memory.huge_page_kb
    if postgres is None or postgres.huge_pages == "off" or not size_kb:
        return sheet.integer("kernel.nr_hugepages", 0, "nothing here uses them", 0)
    # Shared memory is a little more than the buffers: locks, WAL buffers, process table.
    count = ceil(postgres.shared_buffers_mb * 1.03 * 1024 / size_kb)
    return sheet.integer(
        "kernel.nr_hugepages",
        count,
        f"{postgres.shared_buffers_mb} MB of shared buffers + 3% in pages of {size_kb} KiB",
        0,
    )


def _open_files(hardware: Hardware, services: Mapping[str, Any], apps: Sequence[GunicornPlan], sheet: Sheet) -> int:
    wanted = [(1024, "the usual limit")]
    wanted += [
        (
            app.worker_connections + app.threads + 2 * (app.pool_size or 0) + 64,
            "a gunicorn worker: connections + threads + 2 × pool + 64",
        )
        for app in apps
    ]
    if "nginx" in services:
        wanted.append((services["nginx"].worker_rlimit_nofile, "nginx: worker_rlimit_nofile"))
    if "redis" in services:
        wanted.append((services["redis"].maxclients + 32, "redis: maxclients + 32"))
    if "mysql" in services:
        files = 2 * services["mysql"].table_open_cache + services["mysql"].max_connections
        wanted.append((files, "mysql: 2 × table_open_cache + max_connections"))
    if "pgbouncer" in services:
        files = services["pgbouncer"].max_client_conn + services["pgbouncer"].server_connections + 32
        wanted.append((files, "pgbouncer: max_client_conn + server_connections + 32"))
    computed, who = max(wanted, key=lambda each: each[0])
    reason = f"{who}, the most that a process here needs; LimitNOFILE of the units"
    limit = hardware.limits.open_files
    if limit is not None and limit < computed:
        computed, reason = limit, f"the host allows no more than {limit}"
    return sheet.integer("kernel.open_files", computed, reason)
