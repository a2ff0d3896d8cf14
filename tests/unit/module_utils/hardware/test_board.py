# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.board import (
    read_board,
    read_virtualization,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.cpuinfo import (
    CpuInfo,
    architecture_of,
    parse_cpuinfo,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.tree import Tree
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.types import Board, Virtualization
from unit.module_utils.hardware.machine_trees import write

VIRTUAL = {"proc/cpuinfo": "processor: 0\nvendor_id: GenuineIntel\nflags: fpu lm hypervisor\n"}
REAL = {"proc/cpuinfo": "processor: 0\nvendor_id: GenuineIntel\nflags: fpu lm\n"}


def opened(root: Path, files: Mapping[str, str]) -> tuple[Tree, CpuInfo]:
    for path, content in files.items():
        write(root, path, content)
    tree = Tree(root)
    return tree, parse_cpuinfo(tree.text("proc/cpuinfo"))


@pytest.mark.parametrize(
    ("files", "board"),
    [
        (
            {
                "proc/device-tree/model": "Orange Pi 5 Max\0",
                "proc/device-tree/compatible": "xunlong,orangepi-5-max\0rockchip,rk3588\0",
            },
            Board("Orange Pi 5 Max", "xunlong", "rockchip,rk3588"),
        ),
        (
            {"sys/firmware/devicetree/base/compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0"},
            Board("raspberrypi,5-model-b", "raspberrypi", "brcm,bcm2712"),
        ),
        (
            {"sys/class/dmi/id/sys_vendor": "Dell Inc.\n", "sys/class/dmi/id/product_name": "PowerEdge R630\n"},
            Board("PowerEdge R630", "Dell Inc.", None),
        ),
        (
            {
                "sys/devices/virtual/dmi/id/sys_vendor": "To Be Filled By O.E.M.\n",
                "sys/devices/virtual/dmi/id/board_vendor": "GMKtec\n",
            },
            Board(None, "GMKtec", None),
        ),
        (
            {"proc/cpuinfo": "processor: 0\nCPU part: 0xd08\n\nHardware: BCM2835\nModel: Raspberry Pi 4\nSerial: 1\n"},
            Board("Raspberry Pi 4", None, "BCM2835"),
        ),
        ({}, Board()),
    ],
)
def test_board(tmp_path: Path, files: dict[str, str], board: Board) -> None:
    assert read_board(*opened(tmp_path, files)) == board


@pytest.mark.parametrize(
    ("files", "virtualization"),
    [
        ({**VIRTUAL, "run/systemd/container": "podman\n"}, Virtualization("podman", "guest")),
        ({**VIRTUAL, "run/.containerenv": ""}, Virtualization("podman", "guest")),
        ({**REAL, ".dockerenv": ""}, Virtualization("docker", "guest")),
        ({**REAL, "proc/1/cgroup": "1:cpu:/kubepods/pod1/2\n"}, Virtualization("kubernetes", "guest")),
        ({**VIRTUAL, "sys/class/dmi/id/sys_vendor": "QEMU\n"}, Virtualization("kvm", "guest")),
        (
            {
                **VIRTUAL,
                "sys/class/dmi/id/sys_vendor": "Microsoft Corporation\n",
                "sys/class/dmi/id/product_name": "Virtual Machine\n",
            },
            Virtualization("microsoft", "guest"),
        ),
        (
            {
                **REAL,
                "sys/class/dmi/id/sys_vendor": "Microsoft Corporation\n",
                "sys/class/dmi/id/product_name": "Surface Pro\n",
            },
            Virtualization(None, "host"),
        ),
        (
            {
                **VIRTUAL,
                "sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc kvm-clock \n",
            },
            Virtualization("kvm", "guest"),
        ),
        (VIRTUAL, Virtualization("unknown", "guest")),
        ({"proc/sys/kernel/osrelease": "5.15.90.1-microsoft-standard-WSL2\n"}, Virtualization("wsl", "guest")),
        (
            {"proc/device-tree/model": "linux,dummy-virt\0", "proc/device-tree/compatible": "linux,dummy-virt\0"},
            Virtualization("kvm", "guest"),
        ),
        ({"proc/device-tree/model": "Radxa ROCK 5B\0"}, Virtualization(None, "host")),
        (REAL, Virtualization(None, "host")),
        ({}, Virtualization()),
    ],
)
def test_virtualization(tmp_path: Path, files: dict[str, str], virtualization: Virtualization) -> None:
    assert read_virtualization(*opened(tmp_path, files)) == virtualization


@pytest.mark.parametrize(
    ("cpuinfo", "architecture"),
    [
        ("processor: 0\nvendor_id: AuthenticAMD\nflags: fpu lm\n", "x86_64"),
        ("processor: 0\nvendor_id: GenuineIntel\nflags: fpu\n", "i686"),
        ("processor: 0\nCPU architecture: 8\n", "aarch64"),
        ("processor: 0\nCPU architecture: 7\n", "armv7l"),
        ("processor: 0\nisa: rv64imafdc\n", "riscv64"),
        ("vendor_id       : IBM/S390\n# processors    : 2\n", "s390x"),
        ("processor: 0\nCPU Family: Loongson-64bit\n", "loongarch64"),
        ("processor: 0\ncpu: POWER9, altivec supported\n", None),
        ("", None),
    ],
)
def test_architecture(cpuinfo: str, architecture: str | None) -> None:
    assert architecture_of(parse_cpuinfo(cpuinfo)) == architecture


@pytest.mark.parametrize(
    ("revision", "soc"),
    [("a03111", "BCM2711"), ("d04170", "BCM2712"), ("a020d3", "BCM2837"), ("000e", "BCM2835"), ("", "BCM2835")],
)
def test_every_raspberry_pi_claims_one_chip_but_its_revision_tells(tmp_path: Path, revision: str, soc: str) -> None:
    text = f"processor: 0\n\nHardware: BCM2835\nRevision: {revision}\n"
    assert read_board(*opened(tmp_path, {"proc/cpuinfo": text})).soc == soc
