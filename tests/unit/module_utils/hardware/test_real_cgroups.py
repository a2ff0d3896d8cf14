# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finite limits on real control groups, which these tests make: version 1 or 2, as the kernel has them.

Needs root and writable control groups. For root in continuous integration they must be there.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.read import read_hardware

MIB = 1 << 20


@dataclass
class Groups:
    """The control groups of one test, in one hierarchy for each controller (version 2: the same one)."""

    mounts: dict[str, Path]
    version: int
    made: list[Path] = field(default_factory=list)

    def make(self, controller: str, path: str, **files: str) -> Path:
        """Make a group with all groups above it, and write its files (``__`` stands for a dot)."""
        directory = self.mounts[controller]
        for part in path.split("/"):
            directory = directory / part
            if not directory.exists():
                if self.version == 2:
                    (directory.parent / "cgroup.subtree_control").write_text(f"+{controller}")
                directory.mkdir()
                self.made.append(directory)
        for name, content in files.items():
            (directory / name.replace("__", ".")).write_text(content)
        return directory

    def quota(self, path: str, quota: int, period: int = 100_000) -> Path:
        if self.version == 2:
            return self.make("cpu", path, cpu__max=f"{quota} {period}")
        return self.make("cpu", path, cpu__cfs_period_us=str(period), cpu__cfs_quota_us=str(quota))

    def memory(self, path: str, limit: int) -> Path:
        if self.version == 2:
            return self.make("memory", path, memory__max=str(limit))
        return self.make("memory", path, memory__limit_in_bytes=str(limit))

    def cpuset(self, path: str, cpus: str) -> Path:
        return self.make("cpuset", path, cpuset__cpus=cpus, cpuset__mems="0")


def _mounts() -> tuple[dict[str, Path], int]:
    found: dict[str, Path] = {}
    unified = None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _unused, right = line.partition(" - ")
        fstype, _source, options = right.split()[:3]
        point = Path(left.split()[4])
        if fstype == "cgroup":
            found.update({name: point for name in ("cpu", "memory", "cpuset") if name in options.split(",")})
        elif fstype == "cgroup2":
            unified = point
    if len(found) == 3:
        return found, 1
    if unified is not None and not found:
        return dict.fromkeys(("cpu", "memory", "cpuset"), unified), 2
    return {}, 0


def _missing(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture
def groups() -> Iterator[Groups]:
    if os.geteuid() != 0:
        pytest.skip("making control groups needs root")
    mounts, version = _mounts()
    if not version:
        _missing("this machine has the controllers cpu, memory and cpuset in no control group hierarchy")
    made = Groups(mounts, version)
    try:
        made.quota(f"probe-{uuid.uuid4().hex[:8]}", 100_000)
    except OSError as error:
        _missing(f"control groups cannot be made here: {error}")
    yield made
    for directory in reversed(made.made):
        directory.rmdir()


@pytest.fixture
def name() -> str:
    return f"webstacktest{uuid.uuid4().hex[:8]}"


def read_inside(members: Sequence[Path], unit_slice: str | None = None) -> dict[str, Any]:
    """Read the running machine in a process of the given groups."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for group in members:
                (group / "cgroup.procs").write_text(str(os.getpid()))
            os.write(writable, json.dumps(read_hardware("/", unit_slice).to_dict()).encode())
        finally:
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    facts: dict[str, Any] = json.loads(text)
    return facts


def test_a_quota_far_above(groups: Groups, name: str) -> None:
    groups.quota(name, 60_000)
    inner = groups.make("cpu", f"{name}/a/b")
    cpu = read_inside([inner])["cpu"]
    assert (cpu["quota"], cpu["capacity"]) == (0.6, 0.6)


def test_a_tighter_quota_below(groups: Groups, name: str) -> None:
    groups.quota(name, 90_000)
    inner = groups.quota(f"{name}/a", 45_000)
    assert read_inside([inner])["cpu"]["quota"] == 0.45


def test_another_period(groups: Groups, name: str) -> None:
    inner = groups.quota(name, 12_500, period=50_000)
    assert read_inside([inner])["cpu"]["quota"] == 0.25


def test_a_memory_limit_above(groups: Groups, name: str) -> None:
    groups.memory(name, 300 * MIB)
    inner = groups.make("memory", f"{name}/a")
    memory = read_inside([inner])["memory"]
    assert (memory["limit_mb"], memory["usable_mb"]) == (300, 300)
    assert memory["total_mb"] > 300


def test_a_cpuset(groups: Groups, name: str) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("needs two CPUs")
    inner = groups.cpuset(name, str(cpus[1]))
    cpu = read_inside([inner])["cpu"]
    assert (cpu["usable"], cpu["capacity"]) == (1, 1.0)
    assert cpu["online"] >= 2


def test_the_slice_asked_for_counts_and_our_own_group_does_not(groups: Groups, name: str) -> None:
    groups.quota(f"{name}.slice", 40_000)
    groups.quota(f"{name}.slice/{name}-web.slice", 20_000)
    ours = groups.quota(f"{name}-ours", 10_000)
    assert read_inside([ours], f"{name}.slice")["cpu"]["quota"] == 0.4
    assert read_inside([ours], f"{name}-web.slice")["cpu"]["quota"] == 0.2
    assert read_inside([ours])["cpu"]["quota"] == 0.1


def test_a_login_does_not_count(groups: Groups, name: str) -> None:
    session = groups.quota(f"{name}/user.slice/user-1000.slice/session-1.scope", 10_000)
    groups.quota(name, 70_000)
    assert read_inside([session])["cpu"]["quota"] == 0.7
