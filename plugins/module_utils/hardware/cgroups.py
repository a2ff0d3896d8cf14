# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits that control groups put on a service of this machine.

Facts are mostly gathered over SSH, in the login session's group below user.slice. A service runs
elsewhere: below system.slice or its own slice. So the groups that count are those of the machine
or container itself (where its PID 1 is), of the slice asked for, and our own as far as they are
not the login's, each with all groups above it. Version 1 has one hierarchy per controller,
version 2 a single one, and hybrid machines have both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .cpulist import parse_cpu_list
from .mounts import Mount, parse_mountinfo
from .tree import Tree, as_integer

CONTROLLERS = ("cpu", "cpuset", "memory")
DEFAULT_SLICE = "system.slice"
_MAX_DEPTH = 64
# Quotas are in microseconds; the kernel's period is 100 ms unless another is given.
_DEFAULT_PERIOD = 100_000
# What the kernel accepts (kernel/sched/core.c): periods of 1 ms to 1 s, quotas of at least 1 ms.
_PERIODS = range(1_000, 1_000_001)
_MIN_QUOTA = 1_000
# Version 1 says "no limit" with the largest number of whole pages that fits.
_NO_LIMIT = 1 << 60
# Groups of a login, and everything below them, say nothing about services.
_LOGIN = re.compile(
    r"user\.slice|user-[0-9]+\.slice|user@[0-9]+\.service|session-[^/]*\.scope|sshd?(@[^/]*|-session)?\.service"
)
Groups = Mapping[str, Mapping[str, str]]
_USUAL_V1_DIRECTORIES = {
    "cpu": ("cpu", "cpu,cpuacct", "cpuacct,cpu"),
    "cpuset": ("cpuset", "cpu,cpuset"),
    "memory": ("memory",),
}


@dataclass(frozen=True)
class CgroupLimits:
    """``quota`` in CPUs, ``cpus`` the CPUs allowed, ``memory_bytes``; None where there is no limit.

    ``login_cpus`` are the CPUs allowed to the login that we run in; they do not count.
    """

    quota: float | None = None
    cpus: frozenset[int] | None = None
    memory_bytes: int | None = None
    login_cpus: frozenset[int] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hierarchy:
    """One mounted hierarchy: where it is, which group its top shows, and whether it is version 2."""

    mount: str
    top: str = "/"
    version: int = 2

    def name_of(self, controller: str) -> str:
        """Return the controller's name in /proc/PID/cgroup."""
        return "" if self.version == 2 else controller


def read_cgroup_limits(tree: Tree, unit_slice: str | None = None) -> CgroupLimits:
    """Return the tightest limits of all groups that hold for services in ``unit_slice``.

    Without ``unit_slice``, those of system.slice, where it exists, and our own groups.
    """
    mounts = parse_mountinfo(tree)
    groups = {who: _parse_proc_cgroup(tree.text(f"proc/{who}/cgroup")) for who in ("self", "1")}
    if not tree.live and not any(groups.values()):
        groups["self"] = _only_process(tree)
    directories = {controller: _counting(tree, mounts, controller, groups, unit_slice) for controller in CONTROLLERS}
    quotas = [quota for directory in directories["cpu"] for quota in _quota(tree, directory)]
    memory = [limit for directory in directories["memory"] for limit in _memory(tree, directory)]
    return CgroupLimits(
        quota=min(quotas, default=None),
        cpus=_common_cpus(tree, directories["cpuset"]),
        memory_bytes=min(memory, default=None),
        login_cpus=_login_cpus(tree, mounts, groups["self"]),
        warnings=tuple(_memory_high_warning(tree, directories["memory"], min(memory, default=_NO_LIMIT))),
    )


def _parse_proc_cgroup(text: str | None) -> dict[str, str]:
    """Return the path for each version 1 controller, and for version 2 under the empty name."""
    paths: dict[str, str] = {}
    for line in (text or "").splitlines():
        number, _unused, rest = line.partition(":")
        names, colon, path = rest.partition(":")
        if colon and number.isdecimal() and path.startswith("/"):
            paths.update(dict.fromkeys(names.split(","), path))
    return paths


def _only_process(tree: Tree) -> dict[str, str]:
    """Some published captures hold a single process, under its number."""
    processes = [name for name in tree.names("proc") if name.isdecimal()]
    return _parse_proc_cgroup(tree.text(f"proc/{processes[0]}/cgroup")) if len(processes) == 1 else {}


def _hierarchies(tree: Tree, mounts: Iterable[Mount], controller: str) -> Iterator[Hierarchy]:
    """Yield where the controller's files may be: its version 1 mount, and the version 2 mount."""
    cgroup_mounts = [mount for mount in mounts if mount.fstype in ("cgroup", "cgroup2")]
    for mount in cgroup_mounts:
        if mount.fstype == "cgroup2" or controller in mount.super_options:
            yield Hierarchy(mount.mount_point.lstrip("/"), mount.root, 2 if mount.fstype == "cgroup2" else 1)
    if cgroup_mounts:
        return
    base = "sys/fs/cgroup"
    version_1 = [name for name in _USUAL_V1_DIRECTORIES[controller] if tree.exists(f"{base}/{name}")]
    if version_1:
        yield Hierarchy(f"{base}/{version_1[0]}", version=1)
    elif tree.exists(f"{base}/unified"):
        yield Hierarchy(f"{base}/unified")
    else:
        yield Hierarchy(base)


def _counting(
    tree: Tree, mounts: Iterable[Mount], controller: str, groups: Groups, unit_slice: str | None
) -> list[str]:
    """Return the directories of all groups that count for a controller."""
    directories: list[str] = []
    for hierarchy in _hierarchies(tree, mounts, controller):
        name = hierarchy.name_of(controller)
        machine = _below(hierarchy.top, _without_init_scope(groups["1"].get(name, "/")))
        paths = [machine, _join(machine, _slice_path(unit_slice or DEFAULT_SLICE))]
        if unit_slice is None:
            paths.append(_below(hierarchy.top, _without_login(groups["self"].get(name, "/"))))
        directories.extend(_directories(tree, hierarchy, paths))
    return directories


def _login_cpus(tree: Tree, mounts: Iterable[Mount], own: Mapping[str, str]) -> frozenset[int] | None:
    """Return the CPUs that our own group allows, when it is a login's."""
    for hierarchy in _hierarchies(tree, mounts, "cpuset"):
        path = own.get(hierarchy.name_of("cpuset"), "/")
        if _without_login(path) != path:
            cpus = _common_cpus(tree, _directories(tree, hierarchy, [_below(hierarchy.top, path)]))
            if cpus is not None:
                return cpus
    return None


def _without_init_scope(path: str) -> str:
    return path[: -len("/init.scope")] or "/" if path.endswith("/init.scope") else path


def _without_login(path: str) -> str:
    kept = []
    for part in path.split("/"):
        if _LOGIN.fullmatch(part):
            break
        kept.append(part)
    return "/".join(kept) or "/"


def _slice_path(unit_slice: str) -> str:
    """Return where systemd puts a slice: a-b.slice is below a.slice."""
    stem = unit_slice[: -len(".slice")] if unit_slice.endswith(".slice") else unit_slice
    parts = [part for part in stem.split("-") if part]
    return "/".join("-".join(parts[: depth + 1]) + ".slice" for depth in range(len(parts)))


def _join(path: str, below: str) -> str:
    return f"{path.rstrip('/')}/{below}"


def _below(top: str, path: str) -> str:
    """Return a group's path as seen from a mount whose top shows the group ``top``.

    Both may begin with "/..": groups outside of our cgroup namespace. A group that is not below
    the mount's top cannot be seen, and the top itself is the nearest one that counts.
    """
    top_parts = [part for part in top.split("/") if part]
    parts = [part for part in path.split("/") if part]
    if parts[: len(top_parts)] == top_parts:
        parts = parts[len(top_parts) :]
        return "/" + "/".join(parts) if ".." not in parts else "/"
    return "/"


def _directories(tree: Tree, hierarchy: Hierarchy, paths: Iterable[str]) -> Iterator[str]:
    """Yield the existing directories of the given groups and of all above them, once each."""
    seen: set[str] = set()
    for path in paths:
        directory = hierarchy.mount
        for part in ["", *path.strip("/").split("/")[:_MAX_DEPTH]]:
            directory = f"{directory}/{part}" if part else directory
            if directory in seen:
                continue
            if not tree.exists(directory):
                break
            seen.add(directory)
            yield directory


def _quota(tree: Tree, directory: str) -> Iterator[float]:
    text = tree.line(f"{directory}/cpu.max")
    if text is not None:
        quota_text, _unused, period_text = text.partition(" ")
        quota, period = as_integer(quota_text), as_integer(period_text or str(_DEFAULT_PERIOD))
    else:
        quota = tree.integer(f"{directory}/cpu.cfs_quota_us")
        period = tree.integer(f"{directory}/cpu.cfs_period_us") if quota is not None else None
    if quota is not None and quota >= _MIN_QUOTA and period is not None and period in _PERIODS:
        yield quota / period


def _common_cpus(tree: Tree, directories: Iterable[str]) -> frozenset[int] | None:
    """Return the CPUs that all of the groups allow; None when none of them says anything."""
    sets = [cpus for directory in directories for cpus in _cpuset(tree, directory)]
    return frozenset.intersection(*sets) if sets else None


def _cpuset(tree: Tree, directory: str) -> Iterator[frozenset[int]]:
    for name in ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"):
        cpus = parse_cpu_list(tree.text(f"{directory}/{name}"))
        if cpus:
            yield cpus
            return


def _memory(tree: Tree, directory: str) -> Iterator[int]:
    limits = [tree.integer(f"{directory}/{name}") for name in ("memory.max", "memory.limit_in_bytes")]
    limits.append(_hierarchical_limit(tree, directory))
    for limit in limits:
        if limit is not None and 0 <= limit < _NO_LIMIT:
            yield limit


def _memory_high_warning(tree: Tree, directories: Iterable[str], limit: int) -> Iterator[str]:
    highs = [high for directory in directories if (high := tree.integer(f"{directory}/memory.high")) is not None]
    if highs and 0 <= min(highs) < limit:
        yield (
            f"control groups slow services down once they use {min(highs) >> 20} MiB (memory.high); "
            "the plan counts on the hard limit: raise MemoryHigh= of the slice, or reserve the rest"
        )


def _hierarchical_limit(tree: Tree, directory: str) -> int | None:
    """Return version 1's limit of all groups above, even of those that a namespace hides."""
    if not tree.exists(f"{directory}/memory.limit_in_bytes"):
        return None
    match = re.search(r"^hierarchical_memory_limit ([0-9]{1,19})$", tree.text(f"{directory}/memory.stat") or "", re.M)
    return int(match[1]) if match else None
