# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines whose CPUs a simple reader counts or names wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.read import read_hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.tree import HardwareError
from unit.module_utils.hardware.machine_trees import (
    Cluster,
    Machine,
    build_tree,
    load_fixture,
    machine_from,
    write,
)

CPU = "sys/devices/system/cpu"
CAPTURED = load_fixture("captured_machines.yml")
RK3588 = Machine([Cluster("0-3", "0x41/0xd05", 1800, capacity=397), Cluster("4-7", "0x41/0xd0b", 2400, capacity=1024)])


@pytest.mark.parametrize("facts", CAPTURED, ids=lambda facts: facts["machine"])
def test_captured_machines(facts: dict[str, Any], tmp_path: Path) -> None:
    cpu = read_hardware(build_tree(tmp_path, machine_from(facts))).cpu
    found = {cluster.kind: [cluster.name, len(cluster.cpus)] for cluster in cpu.clusters}
    assert found == facts["kinds"]
    low, high = facts["capacity"]
    assert low <= cpu.capacity <= high
    assert cpu.clusters[0].capacity <= 1.0
    assert cpu.online == sum(len(cluster.cpus) for cluster in cpu.clusters)


def test_rk3588_is_about_six_big_cores_not_eight(tmp_path: Path) -> None:
    cpu = read_hardware(build_tree(tmp_path, RK3588)).cpu
    assert cpu.capacity == pytest.approx(6.0, abs=0.1)
    assert (cpu.online, cpu.usable, cpu.physical_cores, cpu.threads_per_core) == (8, 8, 8, 1)
    assert cpu.architecture == "aarch64"
    assert [cluster.max_mhz for cluster in cpu.clusters] == [2400, 1800]


def test_package_numbers_of_vendor_kernels_make_no_sockets(tmp_path: Path) -> None:
    plain = read_hardware(build_tree(tmp_path / "plain", RK3588)).cpu
    packages = {f"{CPU}/cpu{cpu}/topology/physical_package_id": f"{max(0, cpu // 2 - 1)}\n" for cpu in range(8)}
    vendor = Machine(RK3588.clusters, files=packages)
    assert read_hardware(build_tree(tmp_path / "vendor", vendor)).cpu == plain


def test_a_part_number_means_nothing_without_its_implementer(tmp_path: Path) -> None:
    for implementer, name in (("0x41", "Cortex-A32"), ("0x48", "TaiShan-v110"), ("0x7f", "0x7f/0xd01")):
        machine = Machine([Cluster("0-3", f"{implementer}/0xd01")])
        clusters = read_hardware(build_tree(tmp_path / implementer, machine)).cpu.clusters
        assert [cluster.name for cluster in clusters] == [name]


def test_cpu0_offline(tmp_path: Path) -> None:
    machine = Machine([Cluster("0-23", "GenuineIntel 6/63", 3300)], architecture="x86_64", offline="0-3,21-23")
    cpu = read_hardware(build_tree(tmp_path, machine)).cpu
    assert (cpu.online, cpu.usable, cpu.capacity) == (17, 17, 17.0)
    assert cpu.clusters[0].cpus == tuple(range(4, 21))


def test_offline_cpus_are_known_without_the_list_of_online_ones(tmp_path: Path) -> None:
    machine = Machine([Cluster("0-7", "0x41/0xd03", 1400)], offline="2-7")
    build_tree(tmp_path, machine)
    (tmp_path / CPU / "online").unlink()
    assert read_hardware(tmp_path).cpu.online == 2


def test_a_list_of_more_cpus_than_there_are_counts_only_those_there_are(tmp_path: Path) -> None:
    build_tree(tmp_path, Machine([Cluster("0-7", "0x41/0xd03", 1400)], offline="6-7"))
    for text in ("0-4294967295\n", "0-7\n", "0-1023\n", "0-\n", "", "\0\xff", "-1"):
        write(tmp_path, f"{CPU}/online", text)
        assert read_hardware(tmp_path).cpu.online == 6, text


def test_one_cpu_with_a_capacity_file_says_nothing(tmp_path: Path) -> None:
    machine = Machine([Cluster("0-3", "0x41/0xd08")], files={f"{CPU}/cpu1/cpu_capacity": "1024\n"})
    cpu = read_hardware(build_tree(tmp_path, machine)).cpu
    assert cpu.capacity == 4.0
    assert "only 1 of 4 CPUs" in cpu.capacity_source


def test_a_cpu_lacking_the_capacity_file_does_not_hide_the_little_cores(tmp_path: Path) -> None:
    build_tree(tmp_path, RK3588)
    (tmp_path / CPU / "cpu2" / "cpu_capacity").unlink()
    cpu = read_hardware(tmp_path).cpu
    assert cpu.capacity == pytest.approx(6.0, abs=0.1)
    assert "only 7 of 8" in cpu.capacity_source


def test_a_missing_clock_is_that_of_the_other_cpus_of_the_part(tmp_path: Path) -> None:
    build_tree(tmp_path, Machine([Cluster("0-3", "0x41/0xd05", 1200), Cluster("4-7", "0x41/0xd0b", 2400)]))
    (tmp_path / CPU / "cpu6/cpufreq/cpuinfo_max_freq").unlink()
    assert read_hardware(tmp_path).cpu.capacity == pytest.approx(4 + 4 / 3, abs=0.01)


def test_unknown_parts_take_the_kernels_word(tmp_path: Path) -> None:
    machine = Machine([Cluster("0-3", "0x99/0x001", capacity=512), Cluster("4-5", "0x99/0x002", capacity=1024)])
    cpu = read_hardware(build_tree(tmp_path, machine)).cpu
    assert (cpu.capacity, cpu.capacity_source) == (4.0, "cpu_capacity")


def test_unknown_parts_of_which_nothing_else_is_known_are_equal_and_it_is_said(tmp_path: Path) -> None:
    machine = Machine([Cluster("0-3", "0x99/0x001"), Cluster("4-5", "0x99/0x002")])
    cpu = read_hardware(build_tree(tmp_path, machine)).cpu
    assert (cpu.capacity, [cluster.kind for cluster in cpu.clusters]) == (6.0, ["uniform"])
    assert "nothing tells them apart" in cpu.capacity_source


def test_virtual_apple_cores_have_no_part(tmp_path: Path) -> None:
    cpu = read_hardware(build_tree(tmp_path, Machine([Cluster("0-9", "0x61/0x000")]))).cpu
    assert (cpu.capacity, cpu.clusters[0].name) == (10.0, "0x61/0x000")


def test_intels_hybrids_by_the_kernels_own_lists(tmp_path: Path) -> None:
    machine = Machine(
        [Cluster("0-7", "GenuineIntel 6/154", 4800), Cluster("8-15", "GenuineIntel 6/154", 3500)],
        architecture="x86_64",
        files={"sys/devices/cpu_core/cpus": "0-7\n", "sys/devices/cpu_atom/cpus": "8-15\n"},
    )
    cpu = read_hardware(build_tree(tmp_path, machine)).cpu
    assert [(cluster.kind, len(cluster.cpus)) for cluster in cpu.clusters] == [("big", 8), ("little", 8)]
    assert 0.55 < cpu.clusters[1].capacity < 0.75


def test_intels_hybrids_in_a_tree_without_cpuinfo(tmp_path: Path) -> None:
    files = {"sys/devices/cpu_core/cpus": "0-7\n", "sys/devices/cpu_atom/cpus": "8-15\n"}
    machine = Machine([Cluster("0-7", mhz=4800, threads_per_core=2), Cluster("8-15", mhz=3500)], files=files)
    build_tree(tmp_path, machine)
    (tmp_path / "proc/cpuinfo").unlink()
    cpu = read_hardware(tmp_path).cpu
    assert [(cluster.name, len(cluster.cpus)) for cluster in cpu.clusters] == [("P-core", 8), ("E-core", 8)]
    assert cpu.capacity_source == "part and frequency"


def test_acpi_tells_unclocked_cores_apart_but_amd_ranks_equal_ones(tmp_path: Path) -> None:
    files = {f"{CPU}/cpu{cpu}/acpi_cppc/highest_perf": "61\n" if cpu < 4 else "35\n" for cpu in range(8)}
    arm = Machine([Cluster("0-3", "0x99/0x1"), Cluster("4-7", "0x99/0x2")], files=files)
    cpu = read_hardware(build_tree(tmp_path / "arm", arm)).cpu
    assert cpu.capacity == pytest.approx(4 + 4 * 35 / 61, abs=0.01)
    amd = Machine([Cluster("0-7", "AuthenticAMD 25/97")], architecture="x86_64", files=files)
    assert read_hardware(build_tree(tmp_path / "amd", amd)).cpu.capacity == 8.0


def test_a_second_thread_is_a_part_of_a_core(tmp_path: Path) -> None:
    machine = Machine([Cluster("0-11", "AuthenticAMD 23/1", threads_per_core=2)], architecture="x86_64")
    cpu = read_hardware(build_tree(tmp_path, machine)).cpu
    assert (cpu.online, cpu.physical_cores, cpu.threads_per_core) == (12, 6, 2)
    assert 1.27 * 6 <= cpu.capacity <= 1.44 * 6


def test_threads_are_known_from_cpuinfo_where_sysfs_is_absent(tmp_path: Path) -> None:
    blocks = [
        f"processor : {cpu}\nvendor_id : GenuineIntel\nphysical id : 0\ncore id : {cpu % 2}\n" for cpu in range(4)
    ]
    write(tmp_path, "proc/cpuinfo", "\n".join(blocks))
    cpu = read_hardware(tmp_path).cpu
    assert (cpu.physical_cores, cpu.threads_per_core) == (2, 2)


def test_a_32_bit_kernel_writes_the_part_once_for_all(tmp_path: Path) -> None:
    text = "Processor\t: ARMv7 rev 4\nprocessor\t: 0\n\nprocessor\t: 1\n\nCPU implementer\t: 0x41\n"
    write(tmp_path, "proc/cpuinfo", text + "CPU architecture: 7\nCPU part\t: 0xc07\n\nHardware\t: sun8i\n")
    hardware = read_hardware(tmp_path)
    assert hardware.cpu.architecture == "armv7l"
    assert [(cluster.name, cluster.cpus) for cluster in hardware.cpu.clusters] == [("Cortex-A7", (0, 1))]
    assert hardware.board.soc == "sun8i"


def test_the_part_is_read_from_the_register_where_cpuinfo_has_none(tmp_path: Path) -> None:
    midr = {f"{CPU}/cpu{cpu}/regs/identification/midr_el1": "0x00000000411fd050\n" for cpu in range(4)}
    cpu = read_hardware(build_tree(tmp_path, Machine([Cluster("0-3")], files=midr))).cpu
    assert cpu.clusters[0].name == "Cortex-A55"


def test_cores_of_a_known_chip_are_known_without_cpuinfo(tmp_path: Path) -> None:
    clusters = [Cluster("0-3", mhz=1800), Cluster("4-5", mhz=2256), Cluster("6-7", mhz=2304)]
    files = {"proc/device-tree/compatible": "radxa,rock-5b\0rockchip,rk3588\0"}
    build_tree(tmp_path, Machine(clusters, files=files))
    (tmp_path / "proc/cpuinfo").unlink()
    cpu = read_hardware(tmp_path).cpu
    assert [cluster.name for cluster in cpu.clusters] == ["Cortex-A76", "Cortex-A55"]
    assert 5.3 < cpu.capacity < 6.2


def test_affinity_of_the_capture_counts(tmp_path: Path) -> None:
    machine = Machine(RK3588.clusters, files={"proc/self/status": "Name:\tx\nCpus_allowed_list:\t4-5\n"})
    cpu = read_hardware(build_tree(tmp_path, machine)).cpu
    assert (cpu.online, cpu.usable, cpu.capacity) == (8, 2, 2.0)


def test_capacity_is_in_units_of_the_fastest_usable_cpu(tmp_path: Path) -> None:
    machine = Machine(RK3588.clusters, files={"proc/self/status": "Cpus_allowed_list:\t0-3\n"})
    assert read_hardware(build_tree(tmp_path, machine)).cpu.capacity == 4.0


def test_no_processor_at_all_is_a_described_error(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", "MemTotal: 1024 kB\n")
    write(tmp_path, "proc/cpuinfo", "processor : ٣\nprocessor : many\n")
    with pytest.raises(HardwareError, match="no processor found below .*capture"):
        read_hardware(tmp_path)


def test_a_root_that_is_no_directory_is_a_described_error(tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match="is not a directory"):
        read_hardware(tmp_path / "absent")


def test_threads_are_known_from_the_masks_of_old_kernels(tmp_path: Path) -> None:
    build_tree(tmp_path, Machine([Cluster("0-3", "GenuineIntel 6/26", 2900)], architecture="x86_64"))
    for number in range(4):
        (tmp_path / CPU / f"cpu{number}/topology/thread_siblings_list").unlink()
        write(tmp_path, f"{CPU}/cpu{number}/topology/thread_siblings", f"00000000,{5 << number % 2:08x}\n")
    cpu = read_hardware(tmp_path).cpu
    assert (cpu.physical_cores, cpu.threads_per_core) == (2, 2)


def test_a_core_whose_second_thread_is_offline_is_no_efficient_core(tmp_path: Path) -> None:
    clusters = [Cluster("0-15", "GenuineIntel 6/85", 3000, threads_per_core=2)]
    cpu = read_hardware(build_tree(tmp_path, Machine(clusters, architecture="x86_64", offline="13,15"))).cpu
    assert (cpu.online, cpu.physical_cores) == (14, 8)
    assert cpu.capacity == pytest.approx(6 * 1.44 + 2)
    assert [cluster.kind for cluster in cpu.clusters] == ["uniform"]


@pytest.mark.parametrize(
    ("lines", "name", "architecture"),
    [
        ("CPU Family\t: Loongson-64bit\nModel Name\t: Loongson-3A6000\n", "Loongson-3A6000", "loongarch64"),
        ("cpu model\t: MIPS 1004Kc V2.15\n", "MIPS 1004Kc V2.15", None),
        ("cpu\t: POWER9, altivec supported\n", "POWER9, altivec supported", None),
        ("isa\t: rv64imafdc\nuarch\t: thead,c910\nmarchid\t: 0x0\n", "thead,c910", "riscv64"),
    ],
)
def test_other_architectures_name_their_cores_elsewhere(
    tmp_path: Path, lines: str, name: str, architecture: str | None
) -> None:
    write(tmp_path, "proc/cpuinfo", "".join(f"processor\t: {number}\n{lines}\n" for number in range(4)))
    cpu = read_hardware(tmp_path).cpu
    assert ([cluster.name for cluster in cpu.clusters], cpu.architecture) == ([name], architecture)
    assert (cpu.capacity, cpu.capacity_source) == (4.0, "equal CPUs")


def test_a_mainframe_lists_its_processors_in_one_block(tmp_path: Path) -> None:
    text = "vendor_id       : IBM/S390\n# processors    : 2\nprocessor 0: version = FF,  machine = 2964\n"
    machine = Machine([Cluster("0-1")], files={"proc/cpuinfo": text}, architecture="s390x")
    cpu = read_hardware(build_tree(tmp_path, machine)).cpu
    assert (cpu.architecture, cpu.online, cpu.capacity) == ("s390x", 2, 2.0)


def test_compact_cores_of_one_part_are_told_apart_by_their_clock(tmp_path: Path) -> None:
    """Zen 5 and Zen 5c say the same of themselves in cpuinfo."""
    clusters = [Cluster("0-7", "AuthenticAMD 26/36", 5157, threads_per_core=2)]
    clusters += [Cluster("8-23", "AuthenticAMD 26/36", 3306, threads_per_core=2)]
    cpu = read_hardware(build_tree(tmp_path, Machine(clusters, architecture="x86_64"))).cpu
    assert [(cluster.kind, len(cluster.cpus)) for cluster in cpu.clusters] == [("big", 8), ("little", 16)]
    assert cpu.capacity == pytest.approx((4 + 8 * 3306 / 5157) * 1.44, abs=0.01)


def test_low_power_cores_outside_of_intels_two_lists(tmp_path: Path) -> None:
    machine = Machine(
        [
            Cluster("0-5", "GenuineIntel 6/197", 5400),
            Cluster("6-13", "GenuineIntel 6/197", 4500),
            Cluster("14-15", "GenuineIntel 6/197", 2500),
        ],
        architecture="x86_64",
        files={"sys/devices/cpu_core/cpus": "0-5\n", "sys/devices/cpu_atom/cpus": "6-13\n"},
    )
    cpu = read_hardware(build_tree(tmp_path, machine)).cpu
    assert [(cluster.kind, len(cluster.cpus)) for cluster in cpu.clusters] == [("big", 6), ("mid", 8), ("little", 2)]
    assert 12.0 < cpu.capacity < 13.5
