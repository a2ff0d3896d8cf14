# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of device holds a directory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from .mounts import Mount, parse_mountinfo
from .tree import Tree, as_integer
from .types import Storage

# Where distributions keep what the services of this collection write.
DATA_DIRECTORIES = ("/", "/srv", "/var/lib", "/var/lib/postgresql", "/var/lib/mysql", "/var/lib/redis")

_NETWORK_TYPES = re.compile(
    r"nfs4?|cifs|smb3|smbfs|ceph|glusterfs|afs|lustre|beegfs|fuse\.(sshfs|glusterfs|ceph|s3fs|rclone)"
)
_MEMORY_TYPES = frozenset({"tmpfs", "ramfs", "9p", "virtiofs"})
_VIRTUAL_NAMES = re.compile(r"(vd|xvd)[a-z]+[0-9]*|(loop|zram|ram)[0-9]+(p[0-9]+)?")
_VIRTUAL_MODELS = re.compile(r"QEMU|VMware|Msft|VBOX|Virtual", re.I)
_NETWORK_MODELS = re.compile(r"Elastic Block Store|nvme_card-pd|PersistentDisk|iSCSI", re.I)
_NETWORK_NAMES = re.compile(r"(nbd|rbd|drbd)[0-9]+(p[0-9]+)?")
# From the slowest to write to small blocks at random to the fastest.
_SLOWEST_FIRST = ("network", "sd", "hdd", "emmc", "virtual", "ssd", "nvme")
_MAX_DEVICES = 64
_NETWORK_TRANSPORTS = ("tcp", "rdma", "fc", "iscsi")
# Where a capture notes the space, which changes all the time.
SPACE = "space"


def read_storage(tree: Tree, directories: Iterable[str]) -> tuple[Storage, ...]:
    """Return the file systems that hold the directories, by mount point; empty when nothing tells them."""
    mounts = parse_mountinfo(tree)
    holding = {}
    for directory in directories:
        mount = _holding(mounts, _real_path(tree, directory))
        if mount is not None:
            holding[mount.mount_point] = mount
    return tuple(_describe(tree, holding[point]) for point in sorted(holding))


def _real_path(tree: Tree, directory: str) -> str:
    """Follow links, as far as the directory exists: it may be yet to be made."""
    path = "/" + directory.strip("/")
    return tree.noted(_note("realpath", path), lambda: os.path.realpath(path)) or path


def _note(kind: str, path: str) -> str:
    name = path.replace("%", "%25").replace("/", "%2F")
    return f"capture/{kind}/{name}"


def _holding(mounts: Sequence[Mount], path: str) -> Mount | None:
    """Return the last mount with the longest mount point above the path: later mounts cover earlier ones."""
    above = [mount for mount in mounts if f"{path}/".replace("//", "/").startswith(mount.mount_point.rstrip("/") + "/")]
    return max(reversed(above), key=lambda mount: len(mount.mount_point), default=None)


def _describe(tree: Tree, mount: Mount) -> Storage:
    device = _device(tree, mount)
    kind = _kind(tree, mount, device)
    size_mb, free_mb = _space(tree, mount, kind)
    return Storage(
        mount=mount.mount_point,
        device=f"/dev/{device}" if device else None,
        kind=kind,
        size_mb=size_mb,
        free_mb=free_mb,
    )


def _device(tree: Tree, mount: Mount) -> str | None:
    """Return the kernel's name of the block device: dm-0, not the volume's name, which may be the host's."""
    number = mount.device_number or "0:0"
    if not number.startswith("0:"):
        noted = re.search(r"^DEVNAME=([\w!-]+)$", tree.text(f"sys/dev/block/{number}/uevent") or "", re.M)
        if noted:
            return noted[1]
    name = mount.source[len("/dev/") :] if mount.source.startswith("/dev/") else ""
    return name if re.fullmatch(r"[a-z]+[a-z0-9-]*", name) and name != "root" else None


def _kind(tree: Tree, mount: Mount, device: str | None) -> str | None:
    if _NETWORK_TYPES.fullmatch(mount.fstype):
        return "network"
    if mount.fstype in _MEMORY_TYPES:
        return "virtual"
    return device_kind(tree, device) if device else None


def device_kind(tree: Tree, device: str, seen: set[str] | None = None) -> str | None:
    """Return nvme, ssd, hdd, emmc, sd, virtual or network, None when the kernel does not tell.

    A device made of others (LVM, RAID, encryption) is as slow as its slowest part. ``seen`` are those looked at.
    """
    seen = set() if seen is None else seen
    seen.add(device)
    if _NETWORK_NAMES.fullmatch(device):
        return "network"
    if _VIRTUAL_NAMES.fullmatch(device):
        return "virtual"
    disk = _disk_of(tree, device)
    base = f"sys/block/{disk}"
    parts = tree.names(f"{base}/slaves")
    if parts:
        kinds = [device_kind(tree, part, seen) for part in parts if part not in seen and len(seen) < _MAX_DEVICES]
        return min((kind for kind in kinds if kind), key=_SLOWEST_FIRST.index, default=None)
    model = " ".join(filter(None, (tree.line(f"{base}/device/{name}") for name in ("vendor", "model"))))
    if _NETWORK_MODELS.search(model) or _transport(tree, base) in _NETWORK_TRANSPORTS:
        return "network"
    if disk.startswith("nvme"):
        return "nvme"
    if disk.startswith("mmcblk"):
        return _card_kind(tree, disk)
    if _VIRTUAL_MODELS.search(model):
        return "virtual"
    if disk.startswith(("sd", "hd")):
        return {"0": "ssd", "1": "hdd"}.get(tree.line(f"{base}/queue/rotational") or "")
    return None


def _disk_of(tree: Tree, device: str) -> str:
    """Return the whole disk that a partition is part of."""
    if tree.exists(f"sys/block/{device}"):
        return device
    match = re.fullmatch(r"((?:mmcblk[0-9]+|nvme[0-9]+n[0-9]+|md[0-9]+))p[0-9]+|([a-z]+)[0-9]+", device)
    return (match[1] or match[2]) if match else device


def _card_kind(tree: Tree, disk: str) -> str | None:
    """Return the kind of an MMC device; only eMMC has boot partitions (drivers/mmc/core/bus.c for the types)."""
    kind = tree.line(f"sys/block/{disk}/device/type")
    if kind in ("MMC", "SD"):
        return {"MMC": "emmc", "SD": "sd"}[kind]
    return "emmc" if tree.exists(f"sys/block/{disk}boot0") else None


def _transport(tree: Tree, base: str) -> str | None:
    """Return how an NVMe disk is attached; for SCSI only the place in /sys shows that it is iSCSI."""

    def ask() -> str | None:
        return "iscsi" if "/session" in os.path.realpath("/" + base) else None

    return tree.line(f"{base}/device/transport") or tree.noted(f"{base}/device/transport", ask)


def _space(tree: Tree, mount: Mount, kind: str | None) -> tuple[int | None, int | None]:
    """Return size and free space for users. A network file system is not asked: its server may be away."""

    def ask() -> str | None:
        try:
            status = os.statvfs(mount.mount_point)
        except OSError:
            return None
        return f"{status.f_blocks * status.f_frsize >> 20} {status.f_bavail * status.f_frsize >> 20}"

    if kind == "network":
        return None, None
    size, _unused, free = (tree.noted(_note(SPACE, mount.mount_point), ask) or "").partition(" ")
    return as_integer(size), as_integer(free)
