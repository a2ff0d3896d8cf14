# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from the kind of disk under a directory."""

from __future__ import annotations

from dataclasses import dataclass

from ..hardware.types import Hardware, Storage


@dataclass(frozen=True)
class Disk:
    """Costs and rates of one kind of storage, as PGTune and the databases' manuals give them.

    ``random_page_cost`` is relative to a sequential page, ``io_concurrency`` the requests worth
    having under way, ``io_capacity`` the writes per second to plan background flushing with.
    """

    name: str
    random_page_cost: float
    io_concurrency: int
    io_capacity: int


_DISKS = {
    "nvme": Disk("NVMe", 1.1, 200, 4000),
    "ssd": Disk("SSD", 1.1, 200, 2000),
    "virtual": Disk("a virtual disk", 1.1, 100, 1000),
    "emmc": Disk("eMMC", 1.5, 16, 200),
    "sd": Disk("an SD card", 2.0, 2, 100),
    "hdd": Disk("a hard disk", 4.0, 2, 200),
    "network": Disk("network storage", 1.5, 16, 400),
}
#: Nothing is known: between a disk and an SSD.
_UNKNOWN = Disk("an unknown disk", 1.5, 16, 200)


def storage_under(hardware: Hardware, directory: str) -> Storage | None:
    """Return the mounted file system that holds ``directory``, None where it is not known."""

    def holds(storage: Storage) -> bool:
        mount = storage.mount.rstrip("/")
        return directory == mount or directory.startswith(f"{mount}/")

    return max(filter(holds, hardware.storage), key=lambda storage: len(storage.mount), default=None)


def disk_under(hardware: Hardware, directory: str) -> Disk:
    """Return what to plan with for the disk under ``directory``."""
    storage = storage_under(hardware, directory)
    return _DISKS.get(storage.kind or "", _UNKNOWN) if storage is not None else _UNKNOWN


def free_mb(hardware: Hardware, directory: str) -> int | None:
    """Return the free space under ``directory`` in MiB, None where it is not known."""
    storage = storage_under(hardware, directory)
    return storage.free_mb if storage is not None else None
