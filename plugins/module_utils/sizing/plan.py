# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan one host: the only entry point that other packages and the module need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..hardware.types import Hardware
from . import budget, gunicorn
from .host_warnings import warn_about
from .errors import SizingError
from .nginx import plan_nginx
from .sheet import Sheet
from .types import GunicornPlan, HostWorkload, MemoryLine, Plan
from .workers import ENOUGH, Allocation, allocate


def plan(hardware: Hardware, workload: HostWorkload) -> Plan:
    """Return the plan of one host: who gets which processors and how much memory, and what follows.

    Raises ``SizingError`` when the host is too small or the user's values contradict each other.
    """
    sheet = Sheet(workload.given)
    cpus = budget.share_cpus(hardware.cpu, workload)
    demands = [gunicorn.demand(app, cpus, len(workload.apps), sheet) for app in workload.apps]
    shares = budget.divide_memory(
        _usable_mb(hardware),
        workload,
        apps_floor_mb=sum(one.need_mb(1) for one in demands),
        apps_first_mb=sum(one.need_mb(ENOUGH, 2) for one in demands),
    )
    allocations = allocate(demands, shares.apps_mb, shares.kept_mb)
    apps = _plan_apps(hardware, workload, allocations, sheet)
    services: dict[str, Any] = {}
    if "nginx" in workload.services:
        services["nginx"] = plan_nginx(
            hardware.cpu, hardware.limits.open_files, shares.services["nginx"], list(apps.values()), sheet
        )
    memory = budget.memory_lines(shares, {name: app.memory_max_mb for name, app in apps.items()})
    _note_memory(memory, shares, sheet)
    sheet.reject_unused()
    warn_about(hardware, memory, shares.usable_mb, sheet)
    return Plan(apps, services, memory, sheet.reasons, tuple(sheet.warnings))


def _usable_mb(hardware: Hardware) -> int:
    if hardware.memory.usable_mb is None:
        raise SizingError(
            "hardware.memory.usable_mb: unknown, the host's or the captured tree's proc/meminfo could not be read; "
            "capture it again, or set usable_mb in the hardware fact"
        )
    return hardware.memory.usable_mb


def _plan_apps(
    hardware: Hardware, workload: HostWorkload, allocations: list[Allocation], sheet: Sheet
) -> Mapping[str, GunicornPlan]:
    open_files = hardware.limits.open_files
    return {
        app.name: gunicorn.plan_app(app, got, open_files, gunicorn.plan_pool(app, got, sheet), sheet)
        for app, got in zip(workload.apps, allocations)
    }


def _note_memory(memory: tuple[MemoryLine, ...], shares: budget.MemoryShares, sheet: Sheet) -> None:
    texts = {
        "operating system": f"{budget.SYSTEM_FLOOR_MB} + {budget.SYSTEM_FRACTION:.0%} of {shares.planned_mb} MB "
        f"({shares.usable_mb} rounded down), {budget.SYSTEM_CAP_MB} at most",
        "reserved": "given by webstack_reserves.memory_mb",
        "page cache": "what remains; files are cached in it",
    }
    for line in memory:
        name = line.consumer
        need = budget.SERVICE_NEEDS.get(name)
        if need is not None:
            text = f"{need.floor_mb} at least, plus {need.weight} parts of what is left" + (
                f", {need.cap_mb} at most" if need.cap_mb else ""
            )
        else:
            text = texts.get(name, "the slice's memory_max_mb")
        sheet.note(f"memory.{name}", line.mb, text)
