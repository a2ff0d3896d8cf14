# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines to plan for."""

from __future__ import annotations

from math import ceil
from typing import Any

from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.types import (
    Board,
    Cpu,
    Hardware,
    Limits,
    Memory,
    Storage,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.plan import plan
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.types import Plan
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.workload import read_workload


def machine(
    memory_mb: int,
    capacity: float,
    *,
    usable: int | None = None,
    quota: float | None = None,
    swap_mb: int = 0,
    zram_mb: int = 0,
    page_size: int = 4096,
    open_files: int | None = 524288,
    disk: str | None = "ssd",
    warnings: tuple[str, ...] = (),
) -> Hardware:
    """Return a machine of that much usable memory and that many cores' worth."""
    cpus = usable if usable is not None else ceil(capacity)
    return Hardware(
        board=Board(),
        cpu=Cpu("aarch64", cpus, cpus, cpus, 1, quota, capacity, "made up"),
        memory=Memory(memory_mb, None, memory_mb, swap_mb=swap_mb, zram_mb=zram_mb, page_size=page_size, thp="madvise"),
        storage=(Storage("/", "disk", disk, 100_000, 50_000),),
        limits=Limits(open_files),
        warnings=warnings,
    )


ORANGE_PI = machine(15_936, 6.0, usable=8, disk="nvme")


def planned(hardware: Hardware, *apps: dict[str, Any], services: tuple[str, ...] = ("nginx",), **options: Any) -> Plan:
    """Return the plan of ``apps`` and ``services`` on a machine."""
    return plan(hardware, read_workload(apps, services, **options))
