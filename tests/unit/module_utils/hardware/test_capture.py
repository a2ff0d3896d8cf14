# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.capture import (
    capture,
    collect,
    write_capture,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.read import read_hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.tree import HardwareError
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.types import Hardware
from unit.module_utils.hardware.machine_trees import (
    Cluster,
    Machine,
    build_tree,
    load_fixture,
    machine_from,
    write,
)

HOST, FULL_HOST = "kestrel77", "kestrel77.example.org"
SERIAL, MAC = "1000000012ab34cd", "dc:a6:32:01:02:03"
CONTAINER = "3f5e" * 16
GROUP = f"/machine.slice/libpod-{CONTAINER}.scope/{HOST}.service"
SECRETS = (HOST, SERIAL, MAC, CONTAINER, "nas.example.org", "myuuid-1234")
REVEALING = Machine(
    [Cluster("0-3", "0x41/0xd05", 1800), Cluster("4-7", "0x41/0xd0b", 2400)],
    files={
        "proc/sys/kernel/hostname": f"{FULL_HOST}\n",
        "etc/hostname": f"{HOST}\n",
        "proc/device-tree/model": "Orange Pi 5\0",
        "proc/device-tree/compatible": "xunlong,orangepi-5\0rockchip,rk3588s\0",
        "proc/device-tree/serial-number": f"{SERIAL}\0",
        "sys/class/net/eth0/address": f"{MAC}\n",
        "sys/class/dmi/id/product_serial": f"{SERIAL}\n",
        "sys/class/dmi/id/sys_vendor": f"Maker {MAC}\n",
        "proc/self/cgroup": f"0::{GROUP}\n",
        "proc/1/cgroup": "0::/init.scope\n",
        "proc/self/status": f"Name:\t{HOST}\nCpus_allowed_list:\t0-6\n",
        "proc/self/limits": "Max open files            1024                 524288               files\n",
        "proc/self/mountinfo": (
            "20 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
            f"21 1 253:0 / / rw - ext4 /dev/mapper/{HOST}--vg-root rw\n"
            "22 1 0:50 / /srv rw - nfs4 nas.example.org:/srv rw,clientaddr=10.0.0.1\n"
            f"23 1 0:51 /containers/{CONTAINER} /etc/hosts rw - ext4 /dev/disk/by-uuid/myuuid-1234 rw\n"
        ),
        f"sys/fs/cgroup{GROUP}/memory.max": f"{2 << 30}\n",
        f"sys/fs/cgroup{GROUP}/cpu.max": "350000 100000\n",
        "sys/dev/block/253:0/uevent": "DEVNAME=dm-0\nDM_NAME=kestrel77--vg-root\nDM_UUID=myuuid-1234\n",
        "sys/block/dm-0/slaves/mmcblk0p2/size": "1\n",
        "sys/block/mmcblk0/device/type": "MMC\n",
        "sys/block/mmcblk0/device/serial": f"0x{SERIAL}\n",
    },
)


def revealing_tree(root: Path) -> Path:
    build_tree(root, REVEALING)
    with (root / "proc/cpuinfo").open("a") as file:
        file.write(f"\nHardware\t: Rockchip\nSerial\t\t: {SERIAL}\n")
    return root


def without_free_space(hardware: Hardware) -> Hardware:
    return replace(hardware, storage=tuple(replace(entry, free_mb=None) for entry in hardware.storage))


MACHINES = [*load_fixture("captured_machines.yml"), *load_fixture("measured_machines.yml")[:6]]


@pytest.mark.parametrize("facts", MACHINES, ids=lambda facts: facts["machine"])
def test_a_capture_reads_back_to_the_same_facts(facts: dict[str, Any], tmp_path: Path) -> None:
    source = build_tree(tmp_path / "source", machine_from(facts))
    assert capture(source, tmp_path / "copy") is True
    assert read_hardware(tmp_path / "copy") == read_hardware(source)


def test_the_running_machine_reads_back_to_the_same_facts(tmp_path: Path) -> None:
    capture("/", tmp_path / "copy")
    assert without_free_space(read_hardware(tmp_path / "copy")) == without_free_space(read_hardware("/"))


def test_limits_storage_and_affinity_are_captured(tmp_path: Path) -> None:
    source = revealing_tree(tmp_path / "source")
    capture(source, tmp_path / "copy")
    hardware = read_hardware(tmp_path / "copy")
    assert hardware == read_hardware(source)
    assert (hardware.cpu.usable, hardware.cpu.quota, hardware.memory.limit_mb) == (7, 3.5, 2048)
    assert [(entry.mount, entry.device, entry.kind) for entry in hardware.storage] == [
        ("/", "/dev/dm-0", "emmc"),
        ("/srv", None, "network"),
    ]
    assert hardware.limits.open_files == 524288


def test_a_capture_tells_neither_serial_numbers_nor_addresses_nor_names(tmp_path: Path) -> None:
    capture(revealing_tree(tmp_path / "source"), tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("*"):
        told = str(path.relative_to(tmp_path)) + (path.read_text() if path.is_file() else "")
        for secret in SECRETS:
            assert secret not in told, path


def test_what_looks_like_an_id_is_still_told_apart(tmp_path: Path) -> None:
    group = f"/docker/{'a1' * 32}"
    files = {
        "proc/self/cgroup": f"1:cpu:{group}/{'b2' * 32}\n",
        f"sys/fs/cgroup/cpu{group}/cpu.cfs_quota_us": "300000",
        f"sys/fs/cgroup/cpu{group}/cpu.cfs_period_us": "100000",
        f"sys/fs/cgroup/cpu{group}/{'b2' * 32}/cpu.cfs_quota_us": "150000",
        f"sys/fs/cgroup/cpu{group}/{'b2' * 32}/cpu.cfs_period_us": "100000",
    }
    source = build_tree(tmp_path / "source", Machine(REVEALING.clusters, files=files))
    capture(source, tmp_path / "copy")
    assert read_hardware(tmp_path / "copy").cpu.quota == 1.5


def test_writing_the_same_again_changes_nothing_and_stale_files_go(tmp_path: Path) -> None:
    source, copy = revealing_tree(tmp_path / "source"), tmp_path / "copy"
    assert capture(source, copy) is True
    assert capture(source, copy) is False
    write(copy, "sys/class/dmi/id/product_name", "stale\n")
    assert capture(source, copy) is True
    assert not (copy / "sys/class/dmi/id/product_name").exists()


def test_free_space_alone_is_no_change(tmp_path: Path) -> None:
    capture("/", tmp_path)
    note = next((tmp_path / "capture" / "space").iterdir())
    note.write_text("1000 1\n")
    assert capture("/", tmp_path) is False


def test_check_mode_says_what_it_would_do_and_writes_nothing(tmp_path: Path) -> None:
    captured = collect(build_tree(tmp_path / "source", REVEALING))
    assert write_capture(captured, tmp_path / "copy", check_mode=True) is True
    assert not (tmp_path / "copy").exists()
    write_capture(captured, tmp_path / "copy")
    assert write_capture(captured, tmp_path / "copy", check_mode=True) is False


def test_a_directory_with_anything_else_in_it_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "notes.txt", "mine\n")
    with pytest.raises(HardwareError, match="neither empty nor a capture"):
        capture("/", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_place_that_cannot_be_written_is_a_described_error(tmp_path: Path) -> None:
    write(tmp_path, "file", "")
    with pytest.raises(HardwareError, match="give a directory that can be written"):
        capture("/", tmp_path / "file" / "below")


def test_a_capture_tells_no_addresses_of_a_connection(tmp_path: Path) -> None:
    group = "/system.slice/sshd@7-192.0.2.7:22-198.51.100.9:40112.service/fe80::dead:beef:22.scope"
    files = {"proc/self/cgroup": f"0::{group}\n", "sys/fs/cgroup/system.slice/cpu.max": "300000 100000\n"}
    source = build_tree(tmp_path / "source", Machine(REVEALING.clusters, files=files))
    write(source, f"sys/fs/cgroup{group}/cpu.max", "100000 100000\n")
    capture(source, tmp_path / "copy")
    assert read_hardware(tmp_path / "copy") == read_hardware(source)
    assert read_hardware(tmp_path / "copy").cpu.quota == 3.0
    for path in (tmp_path / "copy").rglob("*"):
        told = str(path.relative_to(tmp_path)) + (path.read_text() if path.is_file() else "")
        assert not re.search(r"192\.0|198\.51|dead", told), path


def test_a_capture_tells_no_number_of_a_mainframe(tmp_path: Path) -> None:
    text = "vendor_id : IBM/S390\nprocessor 0: version = FF,  identification = 0123F7,  machine = 2964\n"
    source = build_tree(tmp_path / "source", Machine([Cluster("0")], files={"proc/cpuinfo": text}))
    capture(source, tmp_path / "copy")
    assert (tmp_path / "copy/proc/cpuinfo").read_text() == "vendor_id : IBM/S390\n"
