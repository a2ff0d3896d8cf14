# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running machine, captured trees, and that the one does not get into the other.

With the environment variable WEBSTACK_HARDWARE_DIR all machines of a directory are read: each
directory in it, or a directory "transcribed" in that, is a tree with proc and sys of a machine.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.capture import capture
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.cpulist import parse_cpu_list
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.read import read_hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.tree import HardwareError
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.types import Hardware
from unit.module_utils.hardware.machine_trees import Cluster, Machine, build_tree, write


def test_the_running_machine() -> None:
    hardware = read_hardware()
    assert hardware.cpu.architecture == os.uname().machine
    assert hardware.cpu.online == os.sysconf("SC_NPROCESSORS_ONLN")
    assert 1 <= hardware.cpu.usable <= len(os.sched_getaffinity(0))
    assert 0 < hardware.cpu.capacity <= hardware.cpu.usable
    assert hardware.memory.total_mb == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    assert hardware.memory.page_size == os.sysconf("SC_PAGE_SIZE")
    assert hardware.limits.open_files


def test_affinity_of_the_running_process_counts() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {max(before)})
        assert (read_hardware().cpu.usable, read_hardware().cpu.capacity) == (1, 1.0)
    finally:
        os.sched_setaffinity(0, before)


def test_the_fact_is_plain_data_and_reads_back() -> None:
    hardware = read_hardware()
    assert Hardware.from_dict(json.loads(json.dumps(hardware.to_dict()))) == hardware


def test_nothing_of_the_running_machine_gets_into_a_trees_facts(tmp_path: Path) -> None:
    write(tmp_path, "proc/cpuinfo", "".join(f"processor: {cpu}\nisa: rv64imafdc\n\n" for cpu in range(5)))
    for path in ("sys/devices", "sys/fs", "etc"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).symlink_to(f"/{path}")
    (tmp_path / "proc/meminfo").symlink_to("../../../../../../../../proc/meminfo")
    (tmp_path / "proc/self").symlink_to("/proc/self")
    hardware = read_hardware(tmp_path)
    assert (hardware.cpu.architecture, hardware.cpu.online, hardware.cpu.usable) == ("riscv64", 5, 5)
    assert (hardware.memory.total_mb, hardware.limits.open_files, hardware.storage) == (None, None, ())
    assert hardware.memory.page_size == 4096
    assert hardware.virtualization.type is None


def test_links_inside_of_a_tree_are_followed(tmp_path: Path) -> None:
    build_tree(tmp_path, Machine([Cluster("0-3", "0x41/0xd03")]))
    (tmp_path / "proc/meminfo").rename(tmp_path / "memory")
    (tmp_path / "proc/meminfo").symlink_to("/memory")
    assert read_hardware(tmp_path).memory.total_mb == 8192


def test_hard_limit_of_file_descriptors_of_the_first_process_will_do(tmp_path: Path) -> None:
    line = "Max open files            1024                 1048576              files     \n"
    machine = Machine([Cluster("0-3", "0x41/0xd03")], files={"proc/1/limits": line})
    assert read_hardware(build_tree(tmp_path, machine)).limits.open_files == 1048576


def captured_trees() -> list[Path]:
    directory = os.environ.get("WEBSTACK_HARDWARE_DIR")
    if not directory:
        pytest.skip("WEBSTACK_HARDWARE_DIR names no directory of captured machines (see this file's docstring)")
    machines = [path for path in sorted(Path(directory).iterdir()) if path.is_dir()]
    return [path / "transcribed" if (path / "transcribed").is_dir() else path for path in machines]


def test_captured_machines_have_no_more_than_they_tell(tmp_path: Path) -> None:
    for number, tree in enumerate(captured_trees()):
        try:
            hardware = read_hardware(tree)
        except HardwareError as error:
            cpus = tree / "sys/devices/system/cpu"
            assert "no processor found" in str(error)
            assert not (tree / "proc/cpuinfo").exists(), tree
            assert not cpus.exists(), tree
            continue
        cpu = hardware.cpu
        listed = tree / "sys/devices/system/cpu/online"
        if listed.exists():
            assert cpu.online == len(parse_cpu_list(listed.read_text()) or ()), tree
        assert sum(len(cluster.cpus) for cluster in cpu.clusters) == cpu.online, tree
        assert 0 < cpu.capacity <= cpu.usable <= cpu.online, tree
        assert (cpu.physical_cores or 1) <= cpu.online, tree
        capture(tree, tmp_path / str(number))
        assert read_hardware(tmp_path / str(number)) == hardware, tree
