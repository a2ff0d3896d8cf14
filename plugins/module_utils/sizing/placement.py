# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which CPUs the workers run: on the fast ones alone, where these hold them all.

A request takes as long as the CPU that its worker happens to be on makes it, and a kernel that saves energy likes to
put a worker that was idle on a slow one. A worker is on one CPU at a time: while the fast CPUs are enough to keep all
workers busy, the slow ones would add nothing to what they do, and are left to everything else on the host.
The number of workers is never changed by this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..hardware.cpulist import format_cpu_list, parse_cpu_list
from ..hardware.types import Cluster, Cpu
from .errors import SizingError
from .sheet import Sheet
from .types import AppWorkload
from .workers import Allocation, per_core

ALL = "all"
#: CPUs within this of the fastest are no reason to leave any out: a request hardly takes longer on them.
SLOW = 0.8


def given_cpus(app: str, cpu: Cpu, sheet: Sheet) -> str | None:
    """Return the CPUs that the user gave ``app``, None where there are none. Raises ``SizingError`` for a bad list."""
    path = f"gunicorn.{app}.allowed_cpus"
    text = sheet.given_text(path)
    if text is None or text == ALL:
        return text
    numbers = parse_cpu_list(text)
    if not numbers:
        raise SizingError(f"{sheet.origin(path)}: {text!r} is no list of CPUs; write it as in 4-7 or 0,2, or all")
    known = {number for cluster in cpu.clusters for number in cluster.cpus}
    if known and not numbers <= known:
        raise SizingError(
            f"{sheet.origin(path)}: {text!r} names CPUs that this host does not have; it has {format_cpu_list(known)}"
        )
    return format_cpu_list(numbers)


def worth(cpus: str, cpu: Cpu) -> float:
    """Return what a list of CPUs does at once, in units of the fastest; all of the host's where nothing is known."""
    numbers = parse_cpu_list(cpus) or frozenset()
    if cpus == ALL or not cpu.clusters:
        return cpu.capacity
    return min(cpu.capacity, sum(one.capacity * len(numbers.intersection(one.cpus)) for one in cpu.clusters))


def place(cpu: Cpu, apps: Sequence[tuple[AppWorkload, Allocation]], sheet: Sheet) -> Mapping[str, str]:
    """Return each app's CPUs as the kernel lists them, or ``all``, and write down why."""
    chosen, reason = _choose(cpu, sum(got.workers / per_core(app) for app, got in apps))
    return {
        app.name: sheet.text(f"gunicorn.{app.name}.allowed_cpus", given_cpus(app.name, cpu, sheet), chosen, reason)
        for app, _unused in apps
    }


def _choose(cpu: Cpu, needed: float) -> tuple[str, str]:
    """Return the fewest fast CPUs that are worth ``needed``, or all, and the reason."""
    if cpu.usable < cpu.online or cpu.quota is not None:
        return ALL, "a part of this machine's processors is what there is to choose from"
    fast = [cluster for cluster in cpu.clusters if cluster.capacity > SLOW]
    if not fast or len(fast) == len(cpu.clusters):
        return ALL, "none is much slower than the others"
    if cpu.threads_per_core != 1:
        return ALL, "two threads of a fast core are no faster than a slow core"
    while len(fast) < len(cpu.clusters) - 1 and not _hold(fast, needed):
        fast.append(cpu.clusters[len(fast)])
    numbers = format_cpu_list(number for cluster in fast for number in cluster.cpus)
    if not _hold(fast, needed):
        return ALL, f"the workers use {needed:.2f} cores' worth, and CPUs {numbers} alone are worth {_sum(fast):.2f}"
    names = " and ".join(dict.fromkeys(cluster.name for cluster in fast if cluster.name))
    slowest = max(cluster.capacity for cluster in cpu.clusters[len(fast) :])
    return numbers, (
        f"the workers use {needed:.2f} cores' worth, and these{' ' + names if names else ''} are worth "
        f"{_sum(fast):.2f}; the others, where a request takes {1 / slowest:.1f} times as long, are for everything else"
    )


def _sum(clusters: Sequence[Cluster]) -> float:
    return sum(cluster.capacity * len(cluster.cpus) for cluster in clusters)


def _hold(clusters: Sequence[Cluster], needed: float) -> bool:
    """Tell whether as many workers would be planned for these CPUs; the number of workers is rounded likewise."""
    return needed <= int(_sum(clusters) + 0.5)
