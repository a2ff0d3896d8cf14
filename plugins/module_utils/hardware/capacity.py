# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much work CPUs can do at once, in units of the fastest of them.

The work meant is what web applications do: branchy integer code with many cache misses. It is
predicted from what a core is and how fast it is clocked:

    speed(cpu)   = work per MHz of its class of micro-architecture x highest clock
    capacity     = sum of speed(core) / speed(fastest), with a part of a core for a second thread

The kernel's cpu_capacity is (Dhrystone per MHz x highest clock) / that of the fastest CPU
(drivers/base/arch_topology.c), or ACPI's highest performance. Dhrystone fits into any cache, so
it sees more of a wide core's advantage than this kind of work does. It therefore serves to tell
CPUs of one part from each other, and alone where parts or clocks are unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from .cores import IN_ORDER, WIDE
from .topology import CpuFacts
from .types import Cluster

# Where clocks are unknown: little cores usually run at about three quarters of the big ones' clock.
USUAL_LITTLE_CLOCK = 0.75
# How much more of this kind of work than of Dhrystone an in-order core does beside a wide one.
IN_ORDER_LIFT = 1.3
# CPUs of one cluster are within this of each other; a wider gap is another kind of CPU.
CLUSTER_GAP = 0.88
# What third and further threads of a core add (POWER, ThunderX2).
FURTHER_THREAD_GAIN = 0.15
# Memory cannot feed all cores of a very large machine as fast as it feeds one: at 64 equal cores
# SPECint programs get between half and all of it (AnandTech, "Amazon's Arm-based Graviton2", page 6).
CORES_FED_FULLY = 48
FURTHER_CORE_WORTH = 0.5

Speeds = Mapping[int, float]


def relative_speeds(cpus: Sequence[CpuFacts]) -> tuple[Speeds, str]:
    """Return each CPU's speed (the fastest has 1.0) and the sources it was told from."""
    cpus = _with_clocks_of_equal_parts(cpus)
    alike = len({cpu.identity for cpu in cpus}) == 1
    known = all(cpu.core_class is not None for cpu in cpus)
    if (known or alike) and all(cpu.max_mhz for cpu in cpus):
        speeds, source = _by_part_and_clock(cpus)
    elif _differ(cpus, lambda cpu: cpu.kernel_capacity):
        speeds, source = _by_kernel_capacity(cpus)
    elif _differ(cpus, lambda cpu: cpu.highest_perf) and not _ranked_by_preference(cpus):
        speeds, source = {cpu.number: float(cpu.highest_perf or 1) for cpu in cpus}, "ACPI CPPC highest_perf"
    elif known and not alike:
        speeds, source = _by_part(cpus)
    elif _differ(cpus, lambda cpu: cpu.max_mhz):
        speeds, source = {cpu.number: float(cpu.max_mhz or 1) for cpu in cpus}, "frequency alone: unknown parts"
    else:
        speeds = dict.fromkeys((cpu.number for cpu in cpus), 1.0)
        source = "equal CPUs" if alike and cpus[0].identity else "taken as equal: nothing tells them apart"
    fastest = max(speeds.values())
    return {number: speed / fastest for number, speed in speeds.items()}, source + _missing_capacity_note(cpus)


def _with_clocks_of_equal_parts(cpus: Sequence[CpuFacts]) -> Sequence[CpuFacts]:
    """Fill a missing clock from CPUs of the same part, if these agree."""
    clocks: dict[str | None, set[int]] = {}
    for cpu in cpus:
        if cpu.max_mhz:
            clocks.setdefault(cpu.identity, set()).add(cpu.max_mhz)
    agreed = {identity: next(iter(mhz)) for identity, mhz in clocks.items() if len(mhz) == 1}
    return [cpu if cpu.max_mhz else replace(cpu, max_mhz=agreed.get(cpu.identity)) for cpu in cpus]


def _differ(cpus: Iterable[CpuFacts], value: Callable[[CpuFacts], int | None]) -> bool:
    values = {value(cpu) for cpu in cpus}
    return len(values) > 1 and None not in values


def _ranked_by_preference(cpus: Iterable[CpuFacts]) -> bool:
    """AMD's firmware ranks equal cores by highest_perf, best silicon first."""
    return any((cpu.identity or "").startswith("AuthenticAMD") for cpu in cpus)


def _per_mhz(cpu: CpuFacts) -> float:
    return cpu.core_class.per_mhz if cpu.core_class else 1.0


def _by_part_and_clock(cpus: Sequence[CpuFacts]) -> tuple[dict[int, float], str]:
    source = "part and frequency" if cpus[0].identity else "frequency alone: unknown parts"
    speeds = {cpu.number: _per_mhz(cpu) * (cpu.max_mhz or 0) for cpu in cpus}
    if len({round(speed, 6) for speed in speeds.values()}) == 1:
        return speeds, f"{source} (all equal)"
    if not _differ(cpus, lambda cpu: cpu.kernel_capacity):
        return speeds, source
    return _within_parts(cpus), f"{source}, within a part cpu_capacity"


def _within_parts(cpus: Sequence[CpuFacts]) -> dict[int, float]:
    """Let the kernel's capacity, which knows each CPU's own limit, tell apart CPUs of one part."""
    best: dict[str | None, tuple[int, float]] = {}
    for cpu in cpus:
        capacity, speed = best.get(cpu.identity, (1, 0.0))
        own = _per_mhz(cpu) * (cpu.max_mhz or 0)
        best[cpu.identity] = (max(capacity, cpu.kernel_capacity or 1), max(speed, own))
    return {cpu.number: best[cpu.identity][1] * (cpu.kernel_capacity or 1) / best[cpu.identity][0] for cpu in cpus}


def _by_kernel_capacity(cpus: Sequence[CpuFacts]) -> tuple[dict[int, float], str]:
    top = max(cpu.kernel_capacity or 1 for cpu in cpus)
    wide_beside = any(cpu.core_class not in (None, IN_ORDER) for cpu in cpus)
    speeds = {}
    for cpu in cpus:
        lift = IN_ORDER_LIFT if wide_beside and cpu.core_class is IN_ORDER else 1.0
        speeds[cpu.number] = min(1.0, (cpu.kernel_capacity or 1) / top * lift)
    lifted = any(speeds[cpu.number] * top > (cpu.kernel_capacity or 1) * 1.01 for cpu in cpus)
    return speeds, "cpu_capacity, in-order cores raised by their part" if lifted else "cpu_capacity"


def _by_part(cpus: Sequence[CpuFacts]) -> tuple[dict[int, float], str]:
    top = max(_per_mhz(cpu) for cpu in cpus)
    speeds = {}
    for cpu in cpus:
        weight = _per_mhz(cpu) / top
        speeds[cpu.number] = weight if weight == 1.0 else weight * USUAL_LITTLE_CLOCK
    return speeds, f"part (no clocks: little cores taken at {USUAL_LITTLE_CLOCK} of the big ones' clock)"


def _missing_capacity_note(cpus: Sequence[CpuFacts]) -> str:
    having = sum(cpu.kernel_capacity is not None for cpu in cpus)
    return f"; cpu_capacity ignored: only {having} of {len(cpus)} CPUs have it" if 0 < having < len(cpus) else ""


def total_capacity(cpus: Sequence[CpuFacts], speeds: Speeds) -> float:
    """Return the work that the given CPUs do at once, in units of the fastest of them."""
    fastest = max(speeds[cpu.number] for cpu in cpus)
    threads: dict[int, list[CpuFacts]] = {}
    for cpu in cpus:
        threads.setdefault(cpu.number if cpu.core is None else cpu.core, []).append(cpu)
    cores = sorted((_core_capacity(members, speeds) for members in threads.values()), reverse=True)
    return (sum(cores[:CORES_FED_FULLY]) + FURTHER_CORE_WORTH * sum(cores[CORES_FED_FULLY:])) / fastest


def _core_capacity(threads: Sequence[CpuFacts], speeds: Speeds) -> float:
    core_class = threads[0].core_class
    second = (core_class or WIDE).smt_gain
    gain = second * (len(threads) > 1) + FURTHER_THREAD_GAIN * max(0, len(threads) - 2)
    return max(speeds[cpu.number] for cpu in threads) * (1 + gain)


def cluster_cpus(cpus: Sequence[CpuFacts], speeds: Speeds) -> tuple[Cluster, ...]:
    """Group CPUs by gaps between their speeds, fastest first. Equal or nearly equal CPUs are one cluster."""
    groups: list[list[CpuFacts]] = []
    previous = 0.0
    for cpu in sorted(cpus, key=lambda cpu: (-speeds[cpu.number], cpu.number)):
        speed = speeds[cpu.number]
        if not groups or speed < previous * CLUSTER_GAP:
            groups.append([])
        groups[-1].append(cpu)
        previous = speed
    kinds = ["uniform"] if len(groups) == 1 else ["big", *["mid"] * (len(groups) - 2), "little"]
    return tuple(_cluster(kind, group, speeds) for kind, group in zip(kinds, groups))


def _cluster(kind: str, cpus: Sequence[CpuFacts], speeds: Speeds) -> Cluster:
    names = [name for name, _count in Counter(cpu.name for cpu in cpus if cpu.name).most_common()]
    clocks = [cpu.max_mhz for cpu in cpus if cpu.max_mhz]
    return Cluster(
        name=" / ".join(names) or None,
        kind=kind,
        cpus=tuple(sorted(cpu.number for cpu in cpus)),
        capacity=max(0.001, round(sum(speeds[cpu.number] for cpu in cpus) / len(cpus), 3)),
        max_mhz=max(clocks) if clocks else None,
    )
