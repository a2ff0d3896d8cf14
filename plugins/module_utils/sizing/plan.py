# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan one host: the only entry point that other packages and the module need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..hardware.types import Hardware
from . import budget, connections, gunicorn, mysql, pgbouncer, postgres
from .connections import Admission, Pool
from .errors import SizingError
from .host_warnings import warn_about
from .kernel import plan_kernel
from .metrics import plan_metrics
from .nginx import plan_nginx
from .placement import place
from .redis import plan_redis
from .sheet import Sheet
from .types import GunicornPlan, HostWorkload, MemoryLine, Plan
from .workers import ENOUGH, Allocation, Demand, allocate


@dataclass(frozen=True)
class _Host:
    """What every step of planning one host looks at."""

    hardware: Hardware
    workload: HostWorkload
    shares: budget.MemoryShares
    sheet: Sheet

    @property
    def open_files(self) -> int | None:
        return self.hardware.limits.open_files

    def users(self, service: str) -> int:
        return sum(service in app.databases for app in self.workload.apps)


def plan(hardware: Hardware, workload: HostWorkload) -> Plan:
    """Return the plan of one host: who gets which processors and how much memory, and what follows.

    Raises ``SizingError`` when the host is too small or the user's values contradict each other.
    """
    sheet = Sheet(workload.given)
    cpus = budget.share_cpus(hardware.cpu, workload)
    demands = [gunicorn.demand(app, hardware.cpu, cpus, len(workload.apps), sheet) for app in workload.apps]
    host = _Host(hardware, workload, _divide(hardware, workload, demands), sheet)
    admissions = _admissions(host)
    demands = connections.bound_workers(demands, workload.apps, admissions)
    allocations = allocate(demands, host.shares.apps_mb, host.shares.kept_mb)
    apps, pools = _plan_apps(host, allocations, admissions)
    memory = budget.memory_lines(host.shares, {name: app.memory_max_mb for name, app in apps.items()})
    services = _plan_services(host, list(apps.values()), pools, memory)
    _note_memory(memory, host, sheet)
    sheet.reject_unused()
    users = {*workload.services, *(["apps"] if workload.apps else [])}
    warn_about(hardware, memory, host.shares.usable_mb, users, sheet)
    return Plan(apps, services, memory, sheet.reasons, tuple(sheet.warnings))


def _divide(hardware: Hardware, workload: HostWorkload, demands: Sequence[Demand]) -> budget.MemoryShares:
    if hardware.memory.usable_mb is None:
        raise SizingError(
            "hardware.memory.usable_mb: unknown, the host's or the captured tree's proc/meminfo could not be read; "
            "capture it again, or set usable_mb in the hardware fact"
        )
    return budget.divide_memory(
        hardware.memory.usable_mb,
        # PostgreSQL's buffers live in them, within its own line; nothing else here can use them.
        0 if "postgres" in workload.services else hardware.memory.huge_pages_mb,
        workload,
        apps_floor_mb=sum(one.need_mb(1) for one in demands),
        apps_first_mb=sum(one.need_mb(ENOUGH, 2) for one in demands),
    )


def _admissions(host: _Host) -> dict[str, Admission]:
    """Return what each database of this host admits; PostgreSQL's clients may be PgBouncer's."""
    lines, admitted = host.shares.services, {}
    if "pgbouncer" in lines:
        most, text = pgbouncer.most_clients(lines["pgbouncer"], host.open_files, host.sheet)
        admitted["postgres"] = connections.admit("pgbouncer", "postgres", most, text, host.workload)
    elif "postgres" in lines:
        most, text = postgres.most_connections(lines["postgres"], host.workload.vector, host.sheet)
        admitted["postgres"] = connections.admit("postgres", "postgres", most, text, host.workload)
    if "mysql" in lines:
        most, text = mysql.most_connections(lines["mysql"], host.sheet)
        admitted["mysql"] = connections.admit("mysql", "mysql", most, text, host.workload)
    return admitted


def _plan_apps(
    host: _Host, allocations: Sequence[Allocation], admissions: Mapping[str, Admission]
) -> tuple[dict[str, GunicornPlan], list[Pool]]:
    apps, sheet = host.workload.apps, host.sheet
    threads = [gunicorn.threads_of(app, got.workers, sheet) for app, got in zip(apps, allocations)]
    pools = connections.plan_pools(apps, allocations, threads, admissions, sheet)
    cpus = place(host.hardware.cpu, list(zip(apps, allocations)), sheet)
    plans = {
        app.name: gunicorn.plan_app(app, got, host.open_files, pool, cpus[app.name], sheet)
        for app, got, pool in zip(apps, allocations, pools)
    }
    return plans, pools


def _plan_services(
    host: _Host, apps: Sequence[GunicornPlan], pools: Sequence[Pool], memory: Sequence[MemoryLine]
) -> dict[str, Any]:
    lines, sheet, hardware = host.shares.services, host.sheet, host.hardware
    services: dict[str, Any] = {}
    if "nginx" in lines:
        services["nginx"] = plan_nginx(hardware.cpu, host.open_files, lines["nginx"], apps, sheet)
    if "redis" in lines:
        services["redis"] = plan_redis(hardware, lines["redis"], not apps, host.workload.redis_use, sheet)
    services.update(_plan_postgres(host, pools, memory))
    if "mysql" in lines:
        own = connections.open_to(pools, host.workload.apps, "mysql")
        clients = connections.needed("mysql", own, host.workload)
        services["mysql"] = mysql.plan_mysql(hardware, lines["mysql"], clients, sheet)
    if "metrics" in lines:
        services["metrics"] = plan_metrics(host.workload, sheet)
    services["kernel"] = plan_kernel(hardware, services, apps, sheet)
    return services


def _plan_postgres(host: _Host, pools: Sequence[Pool], memory: Sequence[MemoryLine]) -> dict[str, Any]:
    """Plan PostgreSQL and, in front of it, PgBouncer, whose server pools are then PostgreSQL's only clients."""
    lines, workload, sheet = host.shares.services, host.workload, host.sheet
    own = connections.open_to(pools, workload.apps, "postgres")
    clients = connections.needed("postgres", own, workload)
    services: dict[str, Any] = {}
    if "pgbouncer" in lines:
        databases = max(1, host.users("postgres"))
        admitted = (
            postgres.most_connections(lines["postgres"], workload.vector, sheet)[0] if "postgres" in lines else None
        )
        size = pgbouncer.pool_size(host.hardware.cpu, databases, admitted, sheet)
        most = pgbouncer.most_clients(lines["pgbouncer"], host.open_files, sheet)
        total = own + workload.remote_clients.get("postgres", 0)
        bouncer = pgbouncer.plan_pgbouncer(total, most, size, databases, admitted, sheet)
        services["pgbouncer"] = bouncer
        clients = connections.behind_pgbouncer(bouncer.server_connections)
    if "postgres" in lines:
        cache = host.shares.planned_mb - sum(line.mb for line in memory[:-1])
        cpus = budget.service_cpus("postgres", host.hardware.cpu, workload)
        services["postgres"] = postgres.plan_postgres(
            host.hardware, lines["postgres"], cache, cpus, clients, workload.vector, sheet
        )
    return services


def _note_memory(memory: Sequence[MemoryLine], host: _Host, sheet: Sheet) -> None:
    shares, needs = host.shares, budget.needs_of(host.workload)
    exporters = budget.exporters_mb(host.workload)
    texts = {
        "operating system": f"{budget.SYSTEM_FLOOR_MB} + {budget.SYSTEM_FRACTION:.0%} of {shares.planned_mb} MB "
        f"({shares.usable_mb} rounded down), {budget.SYSTEM_CAP_MB} at most",
        "reserved": "given by webstack_reserves.memory_mb",
        "huge pages": "set aside by vm.nr_hugepages, used by nothing planned here",
        "page cache": "what remains; files are cached in it",
        "metrics": "the limits of its exporters: " + " + ".join(f"{name} {mb}" for name, mb in exporters.items()),
    }
    for line in memory:
        need = needs.get(line.consumer)
        text = texts.get(line.consumer, "the slice's memory_max_mb")
        if need is not None and need.weight:
            text = f"{need.floor_mb} + {need.weight}/{shares.weights} of the {shares.surplus_mb} MB to share"
            text += f", {need.cap_mb} at most" if need.cap_mb else ""
        sheet.note(f"memory.{line.consumer}", line.mb, text)
