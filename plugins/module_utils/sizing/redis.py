# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis' settings within its line of the memory budget.

Worst case of a store: a background save while everything is rewritten, which doubles the data (copy on write). A cache
is not saved; its worst case is that its memory is fragmented.
"""

from __future__ import annotations

from ..hardware.types import Hardware
from .sheet import Sheet
from .types import RedisPlan

BASE_MB = 8
#: Buffers of one client.
CLIENT_KB = 20
#: What a cache may hold of its room; the rest is for a fragmentation (mem_fragmentation_ratio) of 1.25.
CACHE_FRACTION = 0.8
MIN_CLIENTS = 64
MAX_CLIENTS = 10000


def plan_redis(hardware: Hardware, line_mb: int, alone: bool, use: str, sheet: Sheet) -> RedisPlan:
    """Return Redis' settings in ``line_mb``.

    ``alone`` says that no app runs on the same host; ``use`` is store or cache.
    """
    clients = _clients(line_mb, hardware.limits.open_files, sheet)
    held = -(-clients * CLIENT_KB // 1024)
    free = line_mb - BASE_MB - held
    if use == "cache":
        room = int(free * CACHE_FRACTION)
        text = (
            f"({line_mb} - {BASE_MB} - {held} for clients) × {CACHE_FRACTION}, in 4s: a cache is fragmented, not saved"
        )
    else:
        room = free // 2
        text = f"({line_mb} - {BASE_MB} - {held} for clients) ÷ 2, in 4s: saving in the background can double the data"
    maxmemory = sheet.integer("redis.maxmemory_mb", max(1, room // 4 * 4 or room), text)
    if maxmemory > max(1, room):
        taken = int(maxmemory / CACHE_FRACTION) if use == "cache" else 2 * maxmemory
        when = "when it is fragmented" if use == "cache" else "while it saves"
        sheet.warn(
            f"redis: maxmemory {maxmemory} MB can take {taken + BASE_MB + held} MB {when}, but its "
            f"part is {line_mb} MB: expect a process to be killed for memory; lower maxmemory"
        )
    elif room < 1:
        sheet.warn(
            f"redis: {clients} clients can take {held} of its {line_mb} MB and leave none for data; lower maxclients"
        )
    _warn(hardware, sheet)
    threads, why = _io_threads(hardware.cpu.capacity, alone)
    return RedisPlan(
        maxmemory_mb=maxmemory, maxclients=clients, io_threads=sheet.integer("redis.io_threads", threads, why)
    )


def _clients(line_mb: int, open_files: int | None, sheet: Sheet) -> int:
    computed = min(MAX_CLIENTS, max(MIN_CLIENTS, line_mb // 8 * 1024 // CLIENT_KB))
    reason = f"an eighth of {line_mb} MB at {CLIENT_KB} KiB each, {MAX_CLIENTS} at most"
    # Redis itself keeps 32 descriptors.
    if open_files is not None and open_files - 32 < computed:
        computed, reason = max(1, open_files - 32), f"{open_files} open files less Redis' own 32"
    return sheet.integer("redis.maxclients", computed, reason)


def _io_threads(capacity: float, alone: bool) -> tuple[int, str]:
    if capacity < 4 or not alone:
        return 1, "from 4 cores on, and only on a host without apps"
    return min(8, int(capacity) - 1), "one less than there are cores, 8 at most"


def _warn(hardware: Hardware, sheet: Sheet) -> None:
    page = hardware.memory.page_size
    if page is not None and page > 4096:
        sheet.warn(
            f"redis: this kernel has pages of {page // 1024} KiB; a Redis built for 4 KiB refuses to start "
            "(Unsupported system page size): test with redis-server --version, or boot a kernel with 4 KiB pages"
        )
    if hardware.memory.thp == "always":
        sheet.warn("redis: transparent huge pages are always on, which makes saving slow; set them to madvise")
