# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.storage import read_storage
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.tree import Tree
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.types import Storage
from unit.module_utils.hardware.machine_trees import write


def mounted(*mounts: tuple[str, str, str, str]) -> dict[str, str]:
    """Return a mountinfo of (device number, mount point, type, source)."""
    lines = [
        f"{number} 1 {device} / {point} rw,relatime shared:1 - {fstype} {source} rw\n"
        for number, (device, point, fstype, source) in enumerate(mounts)
    ]
    return {"proc/self/mountinfo": "".join(lines)}


def storage(root: Path, files: Mapping[str, str], directories: Sequence[str] = ("/",)) -> tuple[Storage, ...]:
    for path, content in files.items():
        write(root, path, content)
    return read_storage(Tree(root), directories)


@pytest.mark.parametrize(
    ("source", "files", "device", "kind"),
    [
        ("/dev/mmcblk0p2", {"sys/block/mmcblk0/device/type": "SD\n"}, "/dev/mmcblk0p2", "sd"),
        ("/dev/mmcblk1p1", {"sys/block/mmcblk1/device/type": "MMC\n"}, "/dev/mmcblk1p1", "emmc"),
        ("/dev/mmcblk2p1", {"sys/block/mmcblk2boot0/size": "8192\n"}, "/dev/mmcblk2p1", "emmc"),
        ("/dev/mmcblk2p1", {}, "/dev/mmcblk2p1", None),
        ("/dev/nvme0n1p2", {"sys/block/nvme0n1/queue/rotational": "0\n"}, "/dev/nvme0n1p2", "nvme"),
        (
            "/dev/nvme0n1p1",
            {"sys/block/nvme0n1/device/model": "Amazon Elastic Block Store\n"},
            "/dev/nvme0n1p1",
            "network",
        ),
        ("/dev/nvme1n1", {"sys/block/nvme1n1/device/transport": "tcp\n"}, "/dev/nvme1n1", "network"),
        ("/dev/sda1", {"sys/block/sda/queue/rotational": "1\n"}, "/dev/sda1", "hdd"),
        ("/dev/sdb", {"sys/block/sdb/queue/rotational": "0\n"}, "/dev/sdb", "ssd"),
        ("/dev/sda1", {}, "/dev/sda1", None),
        (
            "/dev/sda1",
            {"sys/block/sda/queue/rotational": "1\n", "sys/block/sda/device/model": "QEMU HARDDISK\n"},
            "/dev/sda1",
            "virtual",
        ),
        ("/dev/vda1", {}, "/dev/vda1", "virtual"),
        ("/dev/xvda1", {}, "/dev/xvda1", "virtual"),
        ("/dev/rbd0", {}, "/dev/rbd0", "network"),
        ("overlay", {}, None, None),
    ],
)
def test_kinds_of_devices(
    tmp_path: Path, source: str, files: dict[str, str], device: str | None, kind: str | None
) -> None:
    found = storage(tmp_path, {**mounted(("0:20", "/", "ext4", source)), **files})
    assert found == (Storage("/", device, kind),)


@pytest.mark.parametrize(
    ("fstype", "source", "kind"),
    [("nfs4", "nas:/export", "network"), ("cifs", "//nas/x", "network"), ("tmpfs", "tmpfs", "virtual")],
)
def test_kinds_of_file_systems(tmp_path: Path, fstype: str, source: str, kind: str) -> None:
    assert storage(tmp_path, mounted(("0:50", "/", fstype, source)))[0].kind == kind


def test_dev_root_is_found_by_its_number(tmp_path: Path) -> None:
    files = {
        "sys/dev/block/179:2/uevent": "MAJOR=179\nMINOR=2\nDEVNAME=mmcblk0p2\nDEVTYPE=partition\n",
        "sys/block/mmcblk0/device/type": "SD\n",
    }
    found = storage(tmp_path, {**mounted(("179:2", "/", "ext4", "/dev/root")), **files})
    assert found == (Storage("/", "/dev/mmcblk0p2", "sd"),)


def test_a_volume_is_as_slow_as_its_slowest_disk_and_is_not_named_after_the_host(tmp_path: Path) -> None:
    files = {
        "sys/dev/block/253:0/uevent": "DEVNAME=dm-0\n",
        "sys/block/dm-0/slaves/md0/size": "1\n",
        "sys/block/md0/slaves/nvme0n1p3/size": "1\n",
        "sys/block/md0/slaves/sda1/size": "1\n",
        "sys/block/nvme0n1/queue/rotational": "0\n",
        "sys/block/sda/queue/rotational": "1\n",
    }
    found = storage(tmp_path, {**mounted(("253:0", "/", "ext4", "/dev/mapper/myhost--vg-root")), **files})
    assert found == (Storage("/", "/dev/dm-0", "hdd"),)


def test_volumes_that_consist_of_each_other_end(tmp_path: Path) -> None:
    files = {
        "sys/dev/block/253:0/uevent": "DEVNAME=dm-0\n",
        "sys/block/dm-0/slaves/dm-1/size": "1\n",
        "sys/block/dm-1/slaves/dm-0/size": "1\n",
    }
    assert storage(tmp_path, {**mounted(("253:0", "/", "ext4", "/dev/dm-0")), **files})[0].kind is None


def test_many_devices_that_are_all_parts_of_each_other_are_asked_once(tmp_path: Path) -> None:
    names = [f"dm-{number}" for number in range(40)]
    files = {f"sys/block/{name}/slaves/{other}/size": "1\n" for name in names for other in names}
    files |= {"sys/dev/block/253:0/uevent": "DEVNAME=dm-0\n", "sys/block/dm-39/slaves/sda/size": "1\n"}
    files |= {"sys/block/sda/queue/rotational": "1\n"}
    assert storage(tmp_path, {**mounted(("253:0", "/", "ext4", "/dev/dm-0")), **files})[0].kind == "hdd"


def test_each_directory_is_on_the_deepest_and_last_mount_above_it(tmp_path: Path) -> None:
    mounts = mounted(
        ("8:1", "/", "ext4", "/dev/sda1"),
        ("8:2", "/var", "ext4", "/dev/sda2"),
        ("0:30", "/var/lib", "tmpfs", "tmpfs"),
        ("8:3", "/var/lib", "ext4", "/dev/sda3"),
        ("8:4", "/var/library", "ext4", "/dev/sda4"),
        ("8:5", "/my\\040disk", "ext4", "/dev/sda5"),
    )
    found = storage(tmp_path, mounts, ["/srv", "/var/lib/postgresql", "/my disk/data"])
    assert [(entry.mount, entry.device) for entry in found] == [
        ("/", "/dev/sda1"),
        ("/my disk", "/dev/sda5"),
        ("/var/lib", "/dev/sda3"),
    ]


def test_proc_mounts_will_do(tmp_path: Path) -> None:
    files = {"proc/mounts": "/dev/sda1 / ext4 rw 0 0\n", "sys/block/sda/queue/rotational": "0\n"}
    assert storage(tmp_path, files) == (Storage("/", "/dev/sda1", "ssd"),)


def test_nothing_known_is_nothing_said(tmp_path: Path) -> None:
    assert storage(tmp_path, {"proc/self/mountinfo": "garbage - - -\n\n1 2\n"}) == ()


def test_the_running_machines_root() -> None:
    (root,) = read_storage(Tree("/"), ["/"])
    assert root.mount == "/"
    assert root.size_mb is not None
    assert root.free_mb is not None
    assert 0 < root.free_mb < root.size_mb
