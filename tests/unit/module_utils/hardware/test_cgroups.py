# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of control groups, on trees as kernels of all kinds show them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.cgroups import (
    CgroupLimits,
    read_cgroup_limits,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.read import read_hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.tree import Tree
from unit.module_utils.hardware.machine_trees import Cluster, Machine, build_tree, write

MIB = 1 << 20
V2_MOUNT = "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
CGROUP = "sys/fs/cgroup"


def limits(root: Path, files: Mapping[str, str], unit_slice: str | None = None) -> CgroupLimits:
    for path, content in files.items():
        write(root, path, content)
    return read_cgroup_limits(Tree(root), unit_slice)


def test_no_control_groups_no_limits(tmp_path: Path) -> None:
    assert limits(tmp_path, {"proc/cpuinfo": ""}) == CgroupLimits()


@pytest.mark.parametrize("mountinfo", [{"proc/self/mountinfo": V2_MOUNT}, {}], ids=["mountinfo", "usual place"])
def test_version_2_takes_the_tightest_of_all_levels(tmp_path: Path, mountinfo: dict[str, str]) -> None:
    found = limits(
        tmp_path,
        {
            **mountinfo,
            "proc/self/cgroup": "0::/pods.slice/pod-a.slice/run.scope\n",
            "proc/1/cgroup": "0::/init.scope\n",
            f"{CGROUP}/cgroup.controllers": "cpuset cpu memory\n",
            f"{CGROUP}/pods.slice/cpu.max": "350000 100000\n",
            f"{CGROUP}/pods.slice/memory.max": f"{512 * MIB}\n",
            f"{CGROUP}/pods.slice/cpuset.cpus.effective": "0-5\n",
            f"{CGROUP}/pods.slice/pod-a.slice/cpu.max": "75000 50000\n",
            f"{CGROUP}/pods.slice/pod-a.slice/memory.max": "max\n",
            f"{CGROUP}/pods.slice/pod-a.slice/run.scope/cpu.max": "max 100000\n",
            f"{CGROUP}/pods.slice/pod-a.slice/run.scope/memory.max": f"{2048 * MIB}\n",
            f"{CGROUP}/pods.slice/pod-a.slice/run.scope/cpuset.cpus.effective": "2-9\n",
        },
    )
    assert (found.quota, found.memory_bytes, found.cpus) == (1.5, 512 * MIB, frozenset({2, 3, 4, 5}))


@pytest.mark.parametrize("cpu_directory", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_version_1_has_a_hierarchy_for_each_controller(tmp_path: Path, cpu_directory: str) -> None:
    found = limits(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/a/b\n3:cpuset:/c\n2:cpu,cpuacct:/d/e\n1:name=systemd:/f\n",
            f"{CGROUP}/{cpu_directory}/d/cpu.cfs_quota_us": "250000\n",
            f"{CGROUP}/{cpu_directory}/d/cpu.cfs_period_us": "100000\n",
            f"{CGROUP}/{cpu_directory}/d/e/cpu.cfs_quota_us": "-1\n",
            f"{CGROUP}/{cpu_directory}/d/e/cpu.cfs_period_us": "100000\n",
            f"{CGROUP}/memory/a/memory.limit_in_bytes": f"{300 * MIB}\n",
            f"{CGROUP}/memory/a/b/memory.limit_in_bytes": "9223372036854771712\n",
            f"{CGROUP}/cpuset/c/cpuset.cpus": "1,3\n",
        },
    )
    assert (found.quota, found.memory_bytes, found.cpus) == (2.5, 300 * MIB, frozenset({1, 3}))


def test_hybrid_machines_have_their_controllers_in_version_1(tmp_path: Path) -> None:
    mounts = (
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    )
    found = limits(
        tmp_path,
        {
            "proc/self/mountinfo": mounts,
            "proc/self/cgroup": "5:memory:/x\n4:cpu,cpuacct:/x\n0::/x\n",
            f"{CGROUP}/cpu,cpuacct/x/cpu.cfs_quota_us": "50000\n",
            f"{CGROUP}/cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
            f"{CGROUP}/memory/x/memory.limit_in_bytes": f"{64 * MIB}\n",
            f"{CGROUP}/unified/x/cgroup.procs": "",
        },
    )
    assert (found.quota, found.memory_bytes) == (0.5, 64 * MIB)


def test_version_1_tells_limits_above_what_a_namespace_shows(tmp_path: Path) -> None:
    found = limits(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n",
            f"{CGROUP}/memory/memory.limit_in_bytes": "9223372036854771712\n",
            f"{CGROUP}/memory/memory.stat": f"cache 1\nhierarchical_memory_limit {200 * MIB}\ntotal_cache 1\n",
        },
    )
    assert found.memory_bytes == 200 * MIB


def test_a_container_sees_its_own_group_as_the_top(tmp_path: Path) -> None:
    """As podman and docker with a private cgroup namespace show it."""
    found = limits(
        tmp_path,
        {
            "proc/self/mountinfo": V2_MOUNT,
            "proc/self/cgroup": "0::/\n",
            "proc/1/cgroup": "0::/init.scope\n",
            f"{CGROUP}/cpu.max": "150000 100000\n",
            f"{CGROUP}/memory.max": f"{1024 * MIB}\n",
            f"{CGROUP}/cpuset.cpus.effective": "0-1\n",
        },
    )
    assert (found.quota, found.memory_bytes, found.cpus) == (1.5, 1024 * MIB, frozenset({0, 1}))


def test_a_container_without_namespace_has_its_group_mounted_as_the_top(tmp_path: Path) -> None:
    group = "/docker/0123"
    found = limits(
        tmp_path,
        {
            "proc/self/mountinfo": f"40 30 0:29 {group} /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n",
            "proc/self/cgroup": f"1:cpu:{group}/worker\n",
            "proc/1/cgroup": f"1:cpu:{group}\n",
            f"{CGROUP}/cpu/cpu.cfs_quota_us": "200000\n",
            f"{CGROUP}/cpu/cpu.cfs_period_us": "100000\n",
            f"{CGROUP}/cpu/worker/cpu.cfs_quota_us": "120000\n",
            f"{CGROUP}/cpu/worker/cpu.cfs_period_us": "100000\n",
        },
    )
    assert found.quota == 1.2


def test_a_path_out_of_the_namespace_leaves_the_top_as_nearest_group(tmp_path: Path) -> None:
    """As captured from docker: the process was started from outside of the namespace."""
    found = limits(
        tmp_path,
        {
            "proc/self/cgroup": "0::/../../machine.slice/other.scope\n",
            f"{CGROUP}/cpu.max": "100000 100000\n",
            f"{CGROUP}/machine.slice/other.scope/cpu.max": "10000 100000\n",
            "sys/fs/cpu.max": "10000 100000\n",
        },
    )
    assert found.quota == 1.0


def test_a_path_below_a_top_out_of_the_namespace_is_followed(tmp_path: Path) -> None:
    mount = V2_MOUNT.replace(" / /sys", " /../.. /sys")
    found = limits(
        tmp_path,
        {
            "proc/self/mountinfo": mount,
            "proc/self/cgroup": "0::/../../machine.slice/other.scope\n",
            f"{CGROUP}/machine.slice/cpu.max": "80000 100000\n",
        },
    )
    assert found.quota == 0.8


SESSION = {
    "proc/self/mountinfo": V2_MOUNT,
    "proc/self/cgroup": "0::/user.slice/user-1000.slice/session-3.scope\n",
    "proc/1/cgroup": "0::/init.scope\n",
    f"{CGROUP}/user.slice/cpu.max": "20000 100000\n",
    f"{CGROUP}/user.slice/memory.max": f"{100 * MIB}\n",
    f"{CGROUP}/user.slice/cpuset.cpus.effective": "0\n",
    f"{CGROUP}/system.slice/cpu.max": "300000 100000\n",
    f"{CGROUP}/system.slice/memory.max": f"{700 * MIB}\n",
    f"{CGROUP}/demo.slice/cpu.max": "120000 100000\n",
    f"{CGROUP}/demo.slice/demo-web.slice/memory.max": f"{256 * MIB}\n",
}


@pytest.mark.parametrize(
    ("unit_slice", "quota", "memory_mb"),
    [
        (None, 3.0, 700),
        ("system.slice", 3.0, 700),
        ("demo.slice", 1.2, None),
        ("demo-web.slice", 1.2, 256),
        ("absent.slice", None, None),
        ("-.slice", None, None),
    ],
)
def test_the_services_slice_counts_not_the_login(
    tmp_path: Path, unit_slice: str | None, quota: float | None, memory_mb: int | None
) -> None:
    found = limits(tmp_path, SESSION, unit_slice)
    assert found.quota == quota
    assert found.memory_bytes == (memory_mb and memory_mb * MIB)
    assert found.cpus is None


@pytest.mark.parametrize(
    "path",
    [
        "/user.slice/user-0.slice/session-c1.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service",
        "/system.slice/ssh.service",
        "/system.slice/system-sshd.slice/sshd@1-10.0.0.1:22-10.0.0.2:40000.service",
    ],
)
def test_every_kind_of_login_is_left_out(tmp_path: Path, path: str) -> None:
    files = {"proc/self/cgroup": f"0::{path}\n", f"{CGROUP}{path}/cpu.max": "10000 100000\n"}
    assert limits(tmp_path, files).quota is None


def test_the_affinity_that_a_login_imposes_does_not_count(tmp_path: Path) -> None:
    files = {**SESSION, "proc/self/status": "Cpus_allowed_list:\t0\n"}
    machine = Machine([Cluster("0-3", "0x41/0xd03", 1400)], files=files)
    assert read_hardware(build_tree(tmp_path, machine)).cpu.usable == 4
    write(tmp_path, f"{CGROUP}/user.slice/cpuset.cpus.effective", "0-1\n")
    assert read_hardware(tmp_path).cpu.usable == 1, "an affinity narrower than the login's is somebody's will"


def test_limits_reach_the_facts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        f"{CGROUP}/cpu.max": "150000 100000\n",
        f"{CGROUP}/memory.max": f"{512 * MIB}\n",
        f"{CGROUP}/cpuset.cpus.effective": "2-3,9\n",
    }
    hardware = read_hardware(build_tree(tmp_path, Machine([Cluster("0-3", "0x41/0xd03")], files=files)))
    assert (hardware.cpu.usable, hardware.cpu.quota, hardware.cpu.capacity) == (2, 1.5, 1.5)
    assert (hardware.memory.limit_mb, hardware.memory.usable_mb, hardware.memory.total_mb) == (512, 512, 8192)


def test_limits_that_bind_nothing_are_none(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", f"{CGROUP}/cpu.max": "900000 100000\n", f"{CGROUP}/memory.max": f"{1 << 40}"}
    hardware = read_hardware(build_tree(tmp_path, Machine([Cluster("0-3", "0x41/0xd03")], files=files)))
    assert (hardware.cpu.quota, hardware.cpu.capacity) == (None, 4.0)
    assert (hardware.memory.limit_mb, hardware.memory.usable_mb) == (None, 8192)


@pytest.mark.parametrize("content", ["", "max", "0 100000", "-1 100000", "150000 0", "x y", "150000 100000 7", "\0"])
def test_what_is_no_quota_is_none(tmp_path: Path, content: str) -> None:
    assert limits(tmp_path, {"proc/self/cgroup": "0::/\n", f"{CGROUP}/cpu.max": content}).quota is None


def test_a_cpuset_that_contradicts_the_cpus_is_ignored_and_it_is_said(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", f"{CGROUP}/cpuset.cpus.effective": "64-71\n"}
    hardware = read_hardware(build_tree(tmp_path, Machine([Cluster("0-3", "0x41/0xd03")], files=files)))
    assert hardware.cpu.usable == 4
    assert any("cpusets" in warning for warning in hardware.warnings)


def test_a_soft_memory_limit_is_a_warning(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", f"{CGROUP}/system.slice/memory.high": f"{300 * MIB}\n"}
    assert "300 MiB" in limits(tmp_path, files).warnings[0]


def test_a_capture_of_a_single_process_uses_that_process(tmp_path: Path) -> None:
    group = "/kubepods.slice/pod7.slice/run.scope"
    found = limits(
        tmp_path,
        {
            "proc/493239/cgroup": f"11:memory:{group}\n",
            f"{CGROUP}/memory{group}/memory.limit_in_bytes": f"{2048 * MIB}\n",
        },
    )
    assert found.memory_bytes == 2048 * MIB
