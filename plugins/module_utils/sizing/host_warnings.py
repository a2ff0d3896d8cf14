# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a careful operator would want to know about a host, beyond the numbers."""

from __future__ import annotations

from collections.abc import Collection

from ..hardware.types import Hardware
from .disks import storage_under
from .sheet import Sheet
from .types import MemoryLine

#: Below this part of memory left to the page cache a budget is called tight.
TIGHT = 0.08
#: Below this, a few virtualenvs, a journal or a database's log fill a disk.
LITTLE_FREE_MB = 2048
#: Where services and apps keep their data, as Debian has them.
DATA = {"apps": "/srv", "mysql": "/var/lib/mysql", "postgres": "/var/lib/postgresql", "redis": "/var/lib/redis"}
_UNFIT = {
    "sd": "an SD card, which is slow to sync and wears out: move it to an SSD, and back it up",
    "network": "network storage: every commit waits for it, and it must not lie about syncing",
}


def warn_about(
    hardware: Hardware, memory: tuple[MemoryLine, ...], usable_mb: int, users: Collection[str], sheet: Sheet
) -> None:
    """Add the machine's own warnings, and those about its swap and the disks of ``users`` (keys of DATA)."""
    for text in hardware.warnings:
        sheet.warn(text)
    rest = memory[-1].mb
    if hardware.memory.swap_mb == 0 and rest < usable_mb * TIGHT:
        sheet.warn(
            f"no swap, and only {rest} of {usable_mb} MB left for the page cache: a peak ends in a killed process"
        )
    if hardware.memory.swap_mb > hardware.memory.zram_mb and _root_kind(hardware) in ("sd", "emmc"):
        sheet.warn(
            f"swap on {'an SD card' if _root_kind(hardware) == 'sd' else 'eMMC'} is slow and wears it out; prefer zram"
        )

    _warn_about_disks(hardware, users, sheet)


def _warn_about_disks(hardware: Hardware, users: Collection[str], sheet: Sheet) -> None:
    full = set()
    for user in sorted(DATA.keys() & set(users)):
        storage = storage_under(hardware, DATA[user])
        if storage is None:
            continue
        if user != "apps" and storage.kind in _UNFIT:
            sheet.warn(f"{user}: {DATA[user]} is on {_UNFIT[storage.kind]}")
        if storage.free_mb is not None and storage.free_mb < LITTLE_FREE_MB and storage.mount not in full:
            full.add(storage.mount)
            sheet.warn(f"only {storage.free_mb} MB are free on {storage.mount}, which holds {DATA[user]} ({user})")


def _root_kind(hardware: Hardware) -> str | None:
    return next((storage.kind for storage in hardware.storage if storage.mount == "/"), None)
