# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a careful operator would want to know about a host, beyond the numbers."""

from __future__ import annotations

from ..hardware.types import Hardware
from .sheet import Sheet
from .types import MemoryLine

#: Below this part of memory left to the page cache a budget is called tight.
TIGHT = 0.08


def warn_about(hardware: Hardware, memory: tuple[MemoryLine, ...], usable_mb: int, sheet: Sheet) -> None:
    """Add the machine's own warnings, and those about its swap."""
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


def _root_kind(hardware: Hardware) -> str | None:
    return next((storage.kind for storage in hardware.storage if storage.mount == "/"), None)
