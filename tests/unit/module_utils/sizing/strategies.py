# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines and workloads of all sizes, for the property tests."""

from __future__ import annotations

from typing import Any

from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.types import Hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.types import DATABASES, SERVICES, HostWorkload
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.workload import (
    ASGI_FRAMEWORKS,
    REDIS_USES,
    WORKLOADS,
    WSGI_FRAMEWORKS,
    read_workload,
)
from hypothesis import strategies as st
from unit.module_utils.sizing.machines import machine

# Small hosts are where plans go wrong, so half of all machines are small.
MEMORY = st.one_of(st.integers(256, 4096), st.integers(256, 1024 * 1024))
CAPACITY = st.one_of(
    st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 4.0, 5.5]),
    st.floats(0.1, 256, allow_nan=False).map(lambda x: round(x, 2)),
)


@st.composite
def machines(draw: st.DrawFn) -> Hardware:
    """Any machine from 256 MB to 1 TB and from a tenth of a core to 256."""
    return machine(
        draw(MEMORY),
        draw(CAPACITY),
        swap_mb=draw(st.sampled_from([0, 1024])),
        page_size=draw(st.sampled_from([4096, 16384, 65536])),
        open_files=draw(st.sampled_from([None, 1024, 1536, 4096, 20000, 524288])),
        disk=draw(st.sampled_from([None, "sd", "emmc", "ssd", "hdd", "nvme"])),
    )


@st.composite
def apps(draw: st.DrawFn, name: str, given: bool) -> dict[str, Any]:
    """One entry of webstack_apps; with ``given`` some of its numbers are the user's own."""
    entry: dict[str, Any] = {
        "name": name,
        "workload": draw(st.sampled_from(WORKLOADS)),
        "framework": draw(st.sampled_from((*ASGI_FRAMEWORKS, *WSGI_FRAMEWORKS))),
    }
    optional: dict[str, Any] = {
        "memory_per_worker_mb": st.integers(10, 3000),
        "requests_per_second": st.floats(0.1, 2000),
        "seconds_per_request": st.floats(0.001, 60),
        "longest_request_seconds": st.integers(1, 600),
        "postgres": st.sampled_from([{}, {"extensions": ["vector"]}]),
        "mysql": st.just({}),
        "redis": st.just({}),
        "handover": st.sampled_from(["auto", "side_by_side", "socket"]),
    }
    if given:
        optional |= {
            "workers": st.integers(1, 300),
            "threads": st.integers(1, 100),
            "max_requests": st.integers(0, 50_000),
            "timeout": st.integers(2, 900),
            "preload": st.booleans(),
            "pool_size": st.integers(1, 40),
            "backlog": st.integers(1, 8192),
            "worker_connections": st.integers(1, 20_000),
            "memory_max_mb": st.integers(200, 2000),
            "keep_warm": st.booleans(),
        }
    for key, values in optional.items():
        if draw(st.integers(0, 3)) == 0:
            entry[key] = draw(values)
    if entry.get("keep_warm") and entry.get("handover") == "socket":
        del entry["keep_warm"]  # refused, and tested elsewhere
    return entry


# Numbers that a user may want to be otherwise, from sensible to absurd.
OVERRIDES: dict[str, st.SearchStrategy[int | bool]] = {
    "nginx.worker_processes": st.integers(1, 300),
    "nginx.worker_connections": st.integers(1, 65536),
    "redis.maxmemory_mb": st.integers(1, 100_000),
    "redis.maxclients": st.integers(1, 20_000),
    "redis.io_threads": st.integers(1, 16),
    "postgres.max_connections": st.integers(9, 2000),
    "postgres.shared_buffers_mb": st.integers(8, 100_000),
    "postgres.work_mem_kb": st.integers(64, 1 << 20),
    "postgres.maintenance_work_mem_mb": st.integers(1, 4096),
    "postgres.autovacuum_max_workers": st.integers(1, 10),
    "postgres.max_parallel_workers": st.integers(0, 64),
    "pgbouncer.max_client_conn": st.integers(1, 50_000),
    "pgbouncer.default_pool_size": st.integers(1, 200),
    "mysql.max_connections": st.integers(9, 2000),
    "mysql.innodb_buffer_pool_size_mb": st.integers(5, 100_000),
    "mysql.tmp_table_size_mb": st.integers(1, 256),
    "mysql.performance_schema": st.booleans(),
}


@st.composite
def overrides(draw: st.DrawFn, services: list[str]) -> dict[str, int | bool]:
    """Some numbers of the services that are on the host."""
    paths = [path for path in OVERRIDES if path.partition(".")[0] in services]
    chosen = draw(st.lists(st.sampled_from(paths), unique=True, max_size=3)) if paths else []
    return {path: draw(OVERRIDES[path]) for path in chosen}


@st.composite
def workloads(draw: st.DrawFn, given: bool = False) -> HostWorkload:
    """What a host carries: up to four apps, any services, perhaps reserves and clients on other hosts.

    With ``given`` some numbers of apps and services are the user's own.
    """
    entries = [draw(apps(name, given)) for name in "abcd"[: draw(st.integers(0, 4))]]
    services = draw(st.lists(st.sampled_from(SERVICES), unique=True))
    if not entries and not services:
        services = ["nginx"]
    reserves = {"memory_mb": draw(st.integers(0, 64)), "cpus": draw(st.sampled_from([0, 0, 0.5]))}
    remote = {name: draw(st.integers(0, 60)) for name in DATABASES if name in services and draw(st.booleans())}
    return read_workload(
        entries,
        services,
        reserves,
        draw(overrides(services)) if given else {},
        remote_clients=remote,
        remote_vector=draw(st.booleans()),
        redis_use=draw(st.sampled_from(REDIS_USES)),
    )
