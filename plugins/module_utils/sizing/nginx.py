# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's settings: enough processes for the processors, enough connections for what stands behind."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from ..hardware.types import Cpu
from .gunicorn import slots
from .sheet import Sheet
from .types import GunicornPlan, NginxPlan

#: Private memory of the master and of one worker process before any connection.
MASTER_MB = 4
PROCESS_MB = 5
#: Per connection: half of a proxied request's buffers (header, TLS, first part of body and answer).
CONNECTION_KB = 24
#: nginx's default, and where more stops being useful per process.
MIN_CONNECTIONS = 512
MAX_CONNECTIONS = 16384
#: What a proxy without apps on the same host should hold per process.
PROXY_CONNECTIONS = 4096
MAX_KEEPALIVE = 32


def plan_nginx(
    cpu: Cpu, open_files: int | None, memory_mb: int, apps: Sequence[GunicornPlan], sheet: Sheet
) -> NginxPlan:
    """Return nginx's settings within ``memory_mb``, in front of the ``apps`` of this host."""
    processes = _processes(cpu, memory_mb, sheet)
    connections = _connections(processes, open_files, memory_mb, apps, sheet)
    files = 2 * connections if open_files is None else min(open_files, 2 * connections)
    _warn(processes, connections, open_files, memory_mb, sheet)
    return NginxPlan(
        worker_processes=processes,
        worker_connections=connections,
        worker_rlimit_nofile=sheet.integer(
            "nginx.worker_rlimit_nofile", max(1024, files) if open_files is None else max(files, min(1024, open_files)),
            "two descriptors for each connection: its socket, and a file or a temporary file", connections,
        ),
        upstream_keepalive=_keepalive(processes, apps, sheet),
    )  # fmt: skip


def _warn(processes: int, connections: int, open_files: int | None, memory_mb: int, sheet: Sheet) -> None:
    """Say where given numbers do not fit."""
    worst = MASTER_MB + processes * (PROCESS_MB + connections * CONNECTION_KB / 1024)
    if worst > memory_mb + 1:
        sheet.warn(
            f"nginx: {processes} processes with {connections} connections each can take {worst:.0f} MB, but its part "
            f"is {memory_mb} MB; lower worker_processes or worker_connections"
        )
    if open_files is not None and connections > open_files:
        sheet.warn(
            f"nginx: {connections} connections per process need more than the {open_files} files that the host allows"
        )


def _processes(cpu: Cpu, memory_mb: int, sheet: Sheet) -> int:
    useful = max(1, ceil(round(cpu.capacity, 2)))
    fitting = max(1, int((memory_mb - MASTER_MB) // (PROCESS_MB + MIN_CONNECTIONS * CONNECTION_KB / 1024)))
    reason = f"one for each of {cpu.capacity:.2f} cores' worth, rounded up"
    if fitting < useful:
        each = f"{PROCESS_MB} + {MIN_CONNECTIONS} connections × {CONNECTION_KB} KiB"
        reason = f"({memory_mb} - {MASTER_MB} MB) ÷ ({each}) for each; the processors could use {useful}"
    return sheet.integer("nginx.worker_processes", min(useful, fitting), reason)


def _connections(
    processes: int, open_files: int | None, memory_mb: int, apps: Sequence[GunicornPlan], sheet: Sheet
) -> int:
    behind = sum(slots(app) for app in apps)
    if apps:
        wanted = ceil(2 * behind / processes / 256) * 256 + 256
        reason = f"client and upstream side of {behind} requests over {processes} processes, and 256 idle; in 256s"
    else:
        wanted, reason = PROXY_CONNECTIONS, "usual for a proxy"
    bounds = [
        (MAX_CONNECTIONS, "as many as one process should hold"),
        (max(1, int((memory_mb - MASTER_MB - processes * PROCESS_MB) * 1024 / CONNECTION_KB / processes)),
         f"({memory_mb} - {MASTER_MB} - {processes} × {PROCESS_MB} MB) ÷ {CONNECTION_KB} KiB each ÷ {processes}"),
    ]  # fmt: skip
    if open_files is not None:
        bounds.append((max(1, open_files // 2), f"half of the limit of {open_files} open files"))
    for bound, why in bounds:
        if bound < wanted:
            wanted, reason = bound, why
    return sheet.integer("nginx.worker_connections", wanted // 64 * 64 or wanted, reason)


def _keepalive(processes: int, apps: Sequence[GunicornPlan], sheet: Sheet) -> int:
    if not apps:
        return sheet.integer("nginx.upstream_keepalive", MAX_KEEPALIVE, "nginx's own default since 1.29.7")
    least = min(slots(app) for app in apps)
    computed = min(MAX_KEEPALIVE, max(1, least // processes))
    reason = f"per process; all together below the {least} requests that the smallest app can hold"
    return sheet.integer("nginx.upstream_keepalive", computed, reason)
