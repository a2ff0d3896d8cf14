# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read one machine: the running one, or a captured tree of files."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from .board import read_board, read_virtualization
from .capacity import cluster_cpus, relative_speeds, total_capacity
from .cgroups import CgroupLimits, read_cgroup_limits
from .cpuinfo import CpuInfo, architecture_of, parse_cpuinfo
from .cpulist import parse_cpu_list
from .memory import read_memory
from .storage import DATA_DIRECTORIES, read_storage
from .throttling import read_throttling
from .topology import CpuFacts, read_cpus
from .tree import LONG_READ_LIMIT, Tree
from .types import Cpu, Hardware, Limits

_OPEN_FILES = re.compile(r"^Max open files\s+\S+\s+([0-9]{1,15})\s", re.M)


def read_hardware(
    root: Path | str = "/",
    unit_slice: str | None = None,
    directories: Sequence[str] = DATA_DIRECTORIES,
) -> Hardware:
    """Return what the machine offers to services.

    ``root`` is ``/`` for the running machine, or a captured tree: nothing of the running machine
    then gets into the result. ``unit_slice`` names the systemd slice whose limits count
    (``system.slice`` unless given). ``directories`` are those whose storage is of interest.

    Raises HardwareError when the root is no directory or names no processor.
    """
    return read_tree(Tree(root), unit_slice, directories)


def read_tree(tree: Tree, unit_slice: str | None, directories: Sequence[str]) -> Hardware:
    """Return what the machine of an opened tree offers; see read_hardware."""
    cpuinfo = parse_cpuinfo(tree.text("proc/cpuinfo", LONG_READ_LIMIT))
    architecture = _architecture(tree, cpuinfo)
    cpus = read_cpus(tree, cpuinfo)
    limits = read_cgroup_limits(tree, unit_slice)
    usable, warnings = _usable(tree, cpus, limits)
    cpu = _describe(architecture, cpus, usable, limits.quota)
    memory = read_memory(tree, architecture, limits.memory_bytes)
    return Hardware(
        board=read_board(tree, cpuinfo),
        cpu=cpu,
        memory=memory,
        storage=read_storage(tree, directories),
        limits=Limits(open_files=_open_files(tree)),
        virtualization=read_virtualization(tree, cpuinfo),
        warnings=(*warnings, *limits.warnings, *read_throttling(tree)),
    )


def _architecture(tree: Tree, cpuinfo: CpuInfo) -> str | None:
    return tree.noted("proc/sys/kernel/arch", lambda: os.uname().machine) or architecture_of(cpuinfo)


def _usable(tree: Tree, cpus: Sequence[CpuFacts], limits: CgroupLimits) -> tuple[list[CpuFacts], list[str]]:
    """Return the online CPUs that neither affinity nor a cpuset takes away."""
    usable = list(cpus)
    warnings = []
    affinities = [
        ("the affinity of process 1", _affinity(tree, "1")),
        ("the affinity of this process", _own_affinity(tree, cpus, limits)),
    ]
    for name, allowed in [("the cpusets of the control groups", limits.cpus), *affinities]:
        if allowed is None:
            continue
        remaining = [cpu for cpu in usable if cpu.number in allowed]
        if remaining:
            usable = remaining
        else:
            warnings.append(f"{name} allows none of the online CPUs and is ignored: it contradicts the list of CPUs")
    return usable, warnings


def _own_affinity(tree: Tree, cpus: Sequence[CpuFacts], limits: CgroupLimits) -> frozenset[int] | None:
    """Return our affinity, unless it only mirrors the CPU set of our login."""
    affinity = _affinity(tree, "self")
    mirrored = {cpu.number for cpu in cpus if limits.login_cpus and cpu.number in limits.login_cpus}
    return None if affinity is not None and mirrored and mirrored <= affinity else affinity


def _affinity(tree: Tree, who: str) -> frozenset[int] | None:
    match = re.search(r"^Cpus_allowed_list:[ \t]*(\S+)$", tree.text(f"proc/{who}/status") or "", re.M)
    return (parse_cpu_list(match[1]) or None) if match else None


def _describe(
    architecture: str | None, cpus: Sequence[CpuFacts], usable: Sequence[CpuFacts], quota: float | None
) -> Cpu:
    speeds, source = relative_speeds(cpus)
    if quota is not None and quota > len(cpus):
        quota = None  # limits nothing
    capacity = total_capacity(usable, speeds)
    if quota is not None:
        capacity = min(capacity, quota)
    cores = [cpu.core for cpu in cpus]
    known = None not in cores
    return Cpu(
        architecture=architecture,
        online=len(cpus),
        usable=len(usable),
        physical_cores=len(set(cores)) if known else None,
        threads_per_core=max(cores.count(core) for core in set(cores)) if known else None,
        quota=quota,
        capacity=round(min(capacity, len(usable)), 3),
        capacity_source=source,
        clusters=cluster_cpus(cpus, speeds),
    )


def _open_files(tree: Tree) -> int | None:
    """Return the hard limit of file descriptors."""
    for who in ("self", "1"):
        match = _OPEN_FILES.search(tree.text(f"proc/{who}/limits") or "")
        if match:
            return int(match[1])
    return None
