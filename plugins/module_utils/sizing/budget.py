# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Divide one host's memory and processors among everything that runs on it.

Memory goes top down: the operating system, what the operator keeps, the least that each service
runs with, then what is left by weight. Shares depend on memory, on which services are present and
whether an app uses pgvector, never on the number of processors, so that more of either never takes
anything away from an app.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..hardware.types import Cpu
from .errors import SizingError
from .types import HostWorkload, MemoryLine


@dataclass(frozen=True)
class Need:
    """What one service takes: at least ``floor_mb``, a ``weight`` in what is left, ``cap_mb`` at most.

    ``cpu`` is the fraction of the host's processors that it keeps busy when the apps are busy.
    """

    floor_mb: int
    weight: int
    cpu: float
    cap_mb: int | None = None


#: Weights follow what the guides of the field give a service alone (PostgreSQL R/4 in buffers plus
#: its connections, MySQL up to R/2, Redis' fork headroom), scaled down because here they share.
SERVICE_NEEDS: Mapping[str, Need] = {
    "nginx": Need(floor_mb=24, weight=3, cpu=0.05, cap_mb=1024),
    "redis": Need(floor_mb=48, weight=15, cpu=0.05),
    "postgres": Need(floor_mb=192, weight=35, cpu=0.25),
    "pgbouncer": Need(floor_mb=16, weight=1, cpu=0.02, cap_mb=256),
    "mysql": Need(floor_mb=256, weight=35, cpu=0.25),
}
#: What each exporter of metrics may use (MiB): about twice what Debian's were seen to use while they were asked without
#: a pause. They do not grow with the host, so they have no part in what is left.
EXPORTERS_MB: Mapping[str, int] = {"node": 40, "nginx": 32, "redis": 32, "postgres": 40, "mysql": 40, "apps": 32}
APPS_WEIGHT = 40
PAGE_CACHE_WEIGHT = 25
#: Where an app searches with pgvector, PostgreSQL's buffers are the better cache of the two.
VECTOR_POSTGRES_WEIGHT = 60
VECTOR_PAGE_CACHE_WEIGHT = 10
#: Apps grow beyond two workers only while this fraction of the divided memory stays page cache.
PAGE_CACHE_KEPT = 0.10

#: systemd, journald, sshd and a deploy's own tools on a bare Debian, then the kernel's tables with size.
SYSTEM_FLOOR_MB = 96
SYSTEM_FRACTION = 0.04
SYSTEM_CAP_MB = 1024


@dataclass(frozen=True)
class MemoryShares:
    """Who gets how much.

    ``apps_mb`` is all that the apps may use, ``kept_mb`` the part of it that extra workers leave alone.
    ``surplus_mb`` was divided by ``weights`` (their sum) beyond everybody's floor.
    """

    usable_mb: int
    planned_mb: int
    surplus_mb: int
    weights: int
    system_mb: int
    reserved_mb: int
    huge_pages_mb: int
    services: Mapping[str, int]
    apps_mb: int
    kept_mb: int


@dataclass(frozen=True)
class CpuShare:
    """Processors for all apps together, and the sum that led to them in words."""

    cpus: float
    text: str


def step_down(mb: int) -> int:
    """Return ``mb`` rounded down by at most 1/32, so that a few MiB between kernels change no plan."""
    step = max(1, (1 << max(0, mb.bit_length() - 1)) // 32)
    return mb // step * step


def step_up(mb: int) -> int:
    """Return ``mb`` rounded up by at most 1/4, so that two measurements of the same app agree."""
    step = max(1, (1 << max(0, mb.bit_length() - 1)) // 4)
    return -(-mb // step) * step


def exporters_mb(workload: HostWorkload) -> dict[str, int]:
    """Return the memory limit of each exporter on a host that carries ``workload``; the host's own is always there."""
    watched = {"node", *workload.services, *(["apps"] if workload.apps else [])}
    return {name: mb for name, mb in EXPORTERS_MB.items() if name in watched}


def needs_of(workload: HostWorkload) -> dict[str, Need]:
    """Return what each of a host's services takes; the exporters of metrics count for those that they watch."""
    metrics = Need(floor_mb=sum(exporters_mb(workload).values()), weight=0, cpu=0.0)
    needs = {**SERVICE_NEEDS, "metrics": metrics}
    if workload.vector:
        needs["postgres"] = replace(needs["postgres"], weight=VECTOR_POSTGRES_WEIGHT)
    return {name: needs[name] for name in workload.services}


def divide_memory(
    usable_mb: int, huge_pages_mb: int, workload: HostWorkload, apps_floor_mb: int, apps_first_mb: int
) -> MemoryShares:
    """Return who gets how much of ``usable_mb``, of which ``huge_pages_mb`` are set aside for nobody here.

    ``apps_floor_mb`` is the least that the apps run with; services grow beyond their own floors only
    from what ``apps_first_mb`` leaves. Raises ``SizingError`` when the floors do not fit.
    """
    planned = step_down(usable_mb)
    system = min(SYSTEM_CAP_MB, SYSTEM_FLOOR_MB + int(planned * SYSTEM_FRACTION))
    if workload.reserved_memory_mb > usable_mb:
        raise SizingError(
            f"webstack_reserves.memory_mb: {workload.reserved_memory_mb} MB is more than this host's {usable_mb} MB; "
            "reserve less, or use a larger host"
        )
    left = planned - system - workload.reserved_memory_mb - huge_pages_mb
    needs = needs_of(workload)
    surplus = left - sum(need.floor_mb for need in needs.values())
    if surplus < apps_floor_mb:
        taken = {"operating system": system, "huge pages": huge_pages_mb}
        raise SizingError(_too_small(usable_mb, taken, workload, apps_floor_mb, apps_floor_mb - surplus))
    surplus = max(0, surplus - apps_first_mb)
    weights = VECTOR_PAGE_CACHE_WEIGHT if workload.vector and "postgres" in needs else PAGE_CACHE_WEIGHT
    weights += sum(need.weight for need in needs.values())
    weights += APPS_WEIGHT if workload.apps else 0
    exact = {
        name: min(need.floor_mb + surplus * need.weight / weights, need.cap_mb or float("inf"))
        for name, need in needs.items()
    }
    apps = left - sum(exact.values())
    return MemoryShares(
        usable_mb=usable_mb,
        planned_mb=planned,
        surplus_mb=surplus,
        weights=weights,
        system_mb=system,
        reserved_mb=workload.reserved_memory_mb,
        huge_pages_mb=huge_pages_mb,
        services={name: int(mb) for name, mb in exact.items()},
        # Rounded as one sum: several roundings could give less from more.
        apps_mb=int(apps) if workload.apps else 0,
        kept_mb=int(left * PAGE_CACHE_KEPT),
    )


def _too_small(
    usable_mb: int, taken: Mapping[str, int], workload: HostWorkload, apps_floor_mb: int, missing_mb: int
) -> str:
    needs = {**taken, "webstack_reserves.memory_mb": workload.reserved_memory_mb}
    needs.update({name: need.floor_mb for name, need in needs_of(workload).items()})
    needs[f"one worker of each app ({', '.join(app.name for app in workload.apps)})"] = apps_floor_mb
    parts = [f"{name} {mb}" for name, mb in needs.items() if mb]
    return (
        f"this host is too small: of its {usable_mb} MB the least needed is {' + '.join(parts)} MB, about {missing_mb} "
        "MB too much; use a host with more memory, move a service or an app to another host, lower webstack_reserves, "
        "or declare a smaller memory_per_worker_mb where an app needs less than assumed"
    )


def share_cpus(cpu: Cpu, workload: HostWorkload) -> CpuShare:
    """Return the processors left for the apps. Raises ``SizingError`` when reserves leave none."""
    left = cpu.capacity - workload.reserved_cpus
    if workload.reserved_cpus and left < 0.1:
        raise SizingError(
            f"webstack_reserves.cpus: {workload.reserved_cpus:g} leaves nothing of this host's {cpu.capacity:.2f} "
            "cores' worth; reserve less, or use a larger host"
        )
    fractions = {name: need.cpu for name, need in needs_of(workload).items() if need.cpu}
    share = 1 - sum(fractions.values())
    text = f"{cpu.capacity:.2f} cores' worth"
    if workload.reserved_cpus:
        text = f"({text} - {workload.reserved_cpus:g} reserved)"
    if fractions:
        text += f" × {share:.2f} (" + ", ".join(f"{name} {part:.0%}" for name, part in fractions.items()) + " kept)"
    return CpuShare(left * share, text)


def service_cpus(service: str, cpu: Cpu, workload: HostWorkload) -> float:
    """Return the processors that ``service`` may count on: its fraction beside apps, all but the others' without."""
    left = cpu.capacity - workload.reserved_cpus
    if workload.apps:
        return left * SERVICE_NEEDS[service].cpu
    return left * (1 - sum(need.cpu for name, need in needs_of(workload).items() if name != service))


def memory_lines(shares: MemoryShares, apps: Mapping[str, int]) -> tuple[MemoryLine, ...]:
    """Return the whole budget; the last line is what remains, so that all add up to ``usable_mb``."""
    lines = [MemoryLine("operating system", shares.system_mb)]
    if shares.reserved_mb:
        lines.append(MemoryLine("reserved", shares.reserved_mb))
    if shares.huge_pages_mb:
        lines.append(MemoryLine("huge pages", shares.huge_pages_mb))
    lines += [MemoryLine(name, mb) for name, mb in shares.services.items()]
    lines += [MemoryLine(f"gunicorn {name}", mb) for name, mb in apps.items()]
    return (*lines, MemoryLine("page cache", shares.usable_mb - sum(line.mb for line in lines)))
