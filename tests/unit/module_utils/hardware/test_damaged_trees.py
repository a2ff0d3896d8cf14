# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are cut off, empty, binary, missing, contradictory, or no files at all, anywhere in a tree.

Whatever is wrong: the machine is read, or a HardwareError says why not. It never has more CPUs,
work or memory than the machine that the tree was made from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.capture import capture
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.read import read_hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.tree import HardwareError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.module_utils.hardware.machine_trees import Cluster, Machine, machine_files

CPU = "sys/devices/system/cpu"
MOUNTS = (
    "20 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    "21 1 179:2 / / rw - ext4 /dev/root rw\n"
    "22 1 8:1 / /srv rw - ext4 /dev/sda1 rw\n"
)
BOARD = machine_files(
    Machine(
        [Cluster("0-3", "0x41/0xd05", 1800, capacity=397), Cluster("4-7", "0x41/0xd0b", 2400, capacity=1024)],
        memory_kib=4 << 20,
        offline="7",
        files={
            "proc/self/cgroup": "0::/a.slice/b.scope\n",
            "proc/1/cgroup": "0::/init.scope\n",
            "proc/self/mountinfo": MOUNTS,
            "proc/self/status": "Cpus_allowed_list:\t0-7\n",
            "proc/self/limits": "Max open files            1024                 4096                 files\n",
            "proc/device-tree/model": "A board\0",
            "proc/device-tree/compatible": "maker,board\0rockchip,rk3588\0",
            "sys/fs/cgroup/cpuset.cpus.effective": "0-7\n",
            "sys/fs/cgroup/a.slice/cpu.max": "300000 100000\n",
            "sys/fs/cgroup/a.slice/memory.max": f"{1 << 30}\n",
            "sys/fs/cgroup/a.slice/b.scope/memory.high": f"{1 << 29}\n",
            "sys/dev/block/179:2/uevent": "DEVNAME=mmcblk0p2\n",
            "sys/block/mmcblk0/device/type": "SD\n",
            "sys/block/sda/queue/rotational": "1\n",
            "sys/block/zram0/disksize": "1073741824\n",
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
            "sys/class/thermal/thermal_zone0/temp": "50000\n",
            "sys/class/thermal/thermal_zone0/trip_point_0_type": "passive\n",
            "sys/class/thermal/thermal_zone0/trip_point_0_temp": "85000\n",
            f"{CPU}/cpufreq/policy4/related_cpus": "4 5 6\n",
            f"{CPU}/cpufreq/policy4/cpuinfo_max_freq": "2400000\n",
            f"{CPU}/cpufreq/policy4/scaling_max_freq": "2400000\n",
        },
    )
)
SERVER = machine_files(
    Machine(
        [Cluster("0-3", "GenuineIntel 6/154", 4800, threads_per_core=2), Cluster("4-7", "GenuineIntel 6/154", 3500)],
        memory_kib=16 << 20,
        architecture="x86_64",
        files={
            "proc/self/cgroup": "4:memory:/a/b\n3:cpuset:/a\n2:cpu,cpuacct:/a\n",
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "500000\n",
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{8 << 30}\n",
            "sys/fs/cgroup/memory/a/memory.stat": f"hierarchical_memory_limit {8 << 30}\n",
            "sys/fs/cgroup/cpuset/a/cpuset.cpus": "0-7\n",
            "sys/devices/cpu_core/cpus": "0-3\n",
            "sys/devices/cpu_atom/cpus": "4-7\n",
            "sys/devices/system/node/node0/meminfo": f"Node 0 MemTotal: {16 << 20} kB\n",
            "sys/class/dmi/id/sys_vendor": "QEMU\n",
        },
    )
)
MACHINES = {"board": (BOARD, 7, 4096), "server": (SERVER, 8, 16384)}
# Contents that contradict the rest. No memory size: a larger one would be a larger machine.
LIES = [
    b"",
    b"\n",
    b"0-4294967295\n",
    b"0-1023\n",
    b"-1\n",
    b"0\n",
    b"99999999999999999999999999\n",
    b"max\n",
    b"\xff\xfe\x00\x01" * 50,
    b"0" * 5000,
    b"0-8191," * 30_000,
    b"ffffffff," * 30_000,
    b"a:b:c\n" * 500,
    b"0::/../../../../..\n1:cpu,memory,cpuset:/..\n",
    b"Cpus_allowed_list:\t64-127\n",
    b"processor: 3\nCPU implementer: 0x41\nCPU part: 0xd44\n",
    "٣\n".encode(),
]
damages = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1)),
    st.tuples(st.just("write"), st.sampled_from(LIES)),
    st.tuples(st.just("write"), st.binary(max_size=200)),
    st.tuples(st.just("insert"), st.binary(max_size=20)),
    st.tuples(st.sampled_from(["remove", "directory", "loop", "fifo"]), st.none()),
)


def damage(root: Path, path: str, content: str, kind: str, detail: object) -> None:
    target = root / path
    data = content.encode()
    if kind == "cut":
        assert isinstance(detail, float)
        # Cut at the end of a line: half a number is another number, and that would be another machine.
        target.write_bytes(data[: data.rfind(b"\n", 0, int(len(data) * detail)) + 1])
        return
    target.unlink()
    if kind == "directory":
        target.mkdir()
    elif kind == "loop":
        target.symlink_to(target.name)
    elif kind == "fifo":
        os.mkfifo(target)
    elif kind == "write":
        assert isinstance(detail, bytes)
        target.write_bytes(detail if b"MemTotal" not in detail else b"")
    elif kind == "insert":
        assert isinstance(detail, bytes)
        target.write_bytes(detail + b"\n" + data)


@dataclass(frozen=True)
class Original:
    """A machine's undamaged tree, and how much there is of it."""

    root: Path
    files: Mapping[str, str]
    cpus: int
    memory_mb: int

    def write(self, path: str) -> None:
        target = self.root / path
        if target.is_dir() and not target.is_symlink():
            target.rmdir()
        target.unlink(missing_ok=True)
        target.write_text(self.files[path])

    def read_damaged(self, changes: Mapping[str, tuple[str, object]]) -> None:
        """Damage files, read the machine, check that it did not grow, and repair the files."""
        try:
            for path, (kind, detail) in changes.items():
                damage(self.root, path, self.files[path], kind, detail)
            self.check()
        finally:
            for path in changes:
                self.write(path)

    def check(self) -> None:
        try:
            hardware = read_hardware(self.root)
        except HardwareError as error:
            assert "no processor found" in str(error)
            return
        assert 1 <= hardware.cpu.usable <= hardware.cpu.online <= self.cpus
        assert 0 < hardware.cpu.capacity <= hardware.cpu.usable
        assert hardware.cpu.quota is None or 0 < hardware.cpu.quota <= hardware.cpu.online
        assert all(0 < cluster.capacity <= 1 for cluster in hardware.cpu.clusters)
        assert hardware.memory.total_mb is None or hardware.memory.total_mb <= self.memory_mb
        assert hardware.memory.usable_mb is None or 0 <= hardware.memory.usable_mb <= self.memory_mb
        assert all("\0" not in warning for warning in hardware.warnings)


@pytest.fixture(scope="module", params=MACHINES)
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Original:
    machine = Original(tmp_path_factory.mktemp("machine"), *MACHINES[request.param])
    for path in machine.files:
        (machine.root / path).parent.mkdir(parents=True, exist_ok=True)
        machine.write(path)
    return machine


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_damage(original: Original, data: st.DataObject) -> None:
    files = st.sampled_from(sorted(original.files))
    original.read_damaged(data.draw(st.dictionaries(files, damages, min_size=1, max_size=8)))


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: repr(lie[:12]))
def test_the_same_lie_in_every_file_of_a_kind(original: Original, lie: bytes) -> None:
    for name in sorted({path.rpartition("/")[2] for path in original.files}):
        original.read_damaged({path: ("write", lie) for path in original.files if path.endswith(f"/{name}")})


def test_each_directory_empty(original: Original) -> None:
    for directory in sorted({str(parent) for path in original.files for parent in Path(path).parents} - {"."}):
        original.read_damaged({path: ("remove", None) for path in original.files if path.startswith(f"{directory}/")})


def test_a_damaged_tree_can_be_captured(tmp_path: Path) -> None:
    for number, lie in enumerate(LIES[::4]):
        source, copy = tmp_path / f"source{number}", tmp_path / f"copy{number}"
        for path, content in BOARD.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(content.encode() if "cpu" in path else lie)
        capture(source, copy)
        assert read_hardware(copy) == read_hardware(source)
