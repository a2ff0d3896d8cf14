# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory the workers of an app's current release use, and what they were planned with."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .layout import Layout

try:
    import psutil

    HAS_PSUTIL = True
except ImportError:  # it comes with the first deploy
    HAS_PSUTIL = False

MIB = 1 << 20
CGROUPS = Path("/sys/fs/cgroup")
UNITS = Path("/etc/systemd/system")
#: What roles/gunicorn_app writes into the app's slice, whose limit follows from it.
_PLANNED = re.compile(r"^# Planned with ([0-9]{1,7}) MB for each worker", re.M)
_HIGH_WATER = re.compile(r"^VmHWM:\s+([0-9]{1,12}) kB$", re.M)


@dataclass(frozen=True)
class WorkerMemory:
    """``rest_mb`` and ``peak_mb`` of the largest worker now and at its peak, ``hours`` since gunicorn was started.

    These are None when it does not run, or when it cannot be measured: ``problem`` says why. ``planned_mb`` is what one
    worker was planned with, None when the app's slice does not say.
    """

    planned_mb: int | None = None
    rest_mb: int | None = None
    peak_mb: int | None = None
    hours: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class _Group:
    """The control group of one release's unit: its processes, and its memory without cached files."""

    processes: frozenset[int]
    peak_bytes: int | None


def measure_workers(layout: Layout, cgroups: Path = CGROUPS, units: Path = UNITS) -> WorkerMemory | None:
    """Return what the workers of the current release use; None when there is no release."""
    try:
        release = layout.current.readlink().name
    except OSError:
        return None
    known = WorkerMemory(_planned(units / f"{layout.app}.slice"))
    group = _group(cgroups, f"{layout.app}.slice/{layout.unit(release)}")
    if group is None or not group.processes:
        return known
    if not HAS_PSUTIL:
        return replace(known, problem="python3-psutil is not installed on this host; provision it")
    try:
        return _measure_families(group, known)
    except psutil.NoSuchProcess:  # a worker is being replaced
        return known
    except psutil.AccessDenied:
        return replace(known, problem="reading other users' processes needs root; run the playbook with --become")


def _measure_families(group: _Group, known: WorkerMemory) -> WorkerMemory:
    members = [psutil.Process(pid) for pid in group.processes if psutil.pid_exists(pid)]
    masters = [process for process in members if process.ppid() not in group.processes]
    # A main process that is just starting has no workers yet.
    families = [[worker, *worker.children(recursive=True)] for worker in masters[0].children()] if masters else []
    if not families:
        return known
    rest = [sum(_pss(process) for process in family) for family in families]
    peak = max(sum(_high_water(process) for process in family) for family in families)
    if group.peak_bytes is not None:
        peak = min(peak, peak_of_each(group.peak_bytes, _pss(masters[0]), rest))
    hours = max(0.0, time.time() - masters[0].create_time()) / 3600
    return replace(known, rest_mb=_mib(max(rest)), peak_mb=_mib(max(peak, *rest)), hours=round(hours, 2))


def peak_of_each(group_peak: int, master: int, rest: Sequence[int]) -> int:
    """Return the most that one worker can have had (bytes) when all of a unit's processes had ``group_peak``.

    Workers of the same app grow alike, so the peak is divided evenly.
    """
    return max(0, group_peak - master) // len(rest)


def _mib(size: int) -> int:
    return -(-size // MIB)


def _pss(process: psutil.Process) -> int:
    """Return the proportional set size: pages that several processes share count in part for each."""
    return int(process.memory_full_info().pss)


def _high_water(process: psutil.Process) -> int:
    """Return the highest resident set size that the process ever had."""
    match = _HIGH_WATER.search(_text(Path(f"/proc/{process.pid}/status")) or "")
    return int(match[1]) * 1024 if match else _pss(process)


def _planned(unit: Path) -> int | None:
    match = _PLANNED.search(_text(unit) or "")
    return int(match[1]) if match else None


def _group(cgroups: Path, name: str) -> _Group | None:
    """Read a unit's control group in either version's hierarchy; None when there is none."""
    processes = None
    # Version 2, then version 1: systemd keeps processes in a hierarchy of its own there.
    for base in (cgroups, cgroups / "systemd", cgroups / "memory"):
        text = _text(base / name / "cgroup.procs")
        if text is not None:
            processes = frozenset(int(line) for line in text.split())
            break
    if processes is None:
        return None
    return _Group(processes, _peak_bytes(cgroups, name))


def _peak_bytes(cgroups: Path, name: str) -> int | None:
    """Return the group's highest memory use less the files that it has cached now; None when not known."""
    for base, peak_file, cached in (
        (cgroups, "memory.peak", "file"),
        (cgroups / "memory", "memory.max_usage_in_bytes", "total_cache"),
    ):
        peak, stat = _text(base / name / peak_file), _text(base / name / "memory.stat")
        if peak is not None and peak.isdecimal() and stat is not None:
            files = re.search(rf"^{cached} ([0-9]+)$", stat, re.M)
            return int(peak) - (int(files[1]) if files else 0)
    return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
