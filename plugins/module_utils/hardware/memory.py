# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory, swap and pages."""

from __future__ import annotations

import os
import re

from .tree import Tree, as_integer
from .types import Memory

_LINE = re.compile(r"^(?:Node [0-9]+ )?(\w+):\s+([0-9]{1,15})", re.M)
_ZRAM = re.compile(r"zram[0-9]{1,3}")
_NODE = re.compile(r"node[0-9]{1,4}")
# More than the 52-bit addresses of x86 and arm64 reach is no memory: 4 PiB, in KiB.
_MAX_KIB = 1 << 42
# The size of a huge page follows from the page size (arm64, Documentation/arch/arm64/hugetlbpage.rst).
_ARM64_PAGE_OF_HUGE_PAGE_KIB = {2048: 4096, 32768: 16384, 524288: 65536}
# These architectures have pages of one size only.
_FIXED_PAGE_SIZE = {"x86_64": 4096, "i686": 4096, "riscv64": 4096, "armv7l": 4096, "armv6l": 4096, "s390x": 4096}
_PAGE_SIZES = frozenset(1 << shift for shift in range(12, 19))


def read_memory(tree: Tree, architecture: str | None, limit_bytes: int | None) -> Memory:
    """Return the memory that services can use below the control groups' limit, in MiB.

    A limit of at least all memory is none.
    """
    meminfo = _parse(tree.text("proc/meminfo"))
    total_mb = _total_mb(tree, meminfo)
    limit_mb = limit_bytes >> 20 if limit_bytes is not None else None
    if total_mb is not None and limit_mb is not None and limit_mb >= total_mb:
        limit_mb = None
    huge_page_kib = meminfo.get("Hugepagesize")
    return Memory(
        total_mb=total_mb,
        limit_mb=limit_mb,
        usable_mb=limit_mb if total_mb is not None and limit_mb is not None else total_mb,
        swap_mb=meminfo.get("SwapTotal", 0) // 1024,
        zram_mb=_zram_mb(tree),
        page_size=_page_size(tree, architecture, huge_page_kib),
        thp=_transparent_huge_pages(tree),
        huge_page_kb=huge_page_kib,
        # "Hugetlb" counts pages of all sizes, where the kernel is new enough to say it.
        huge_pages_mb=meminfo.get("Hugetlb", meminfo.get("HugePages_Total", 0) * (huge_page_kib or 0)) // 1024,
    )


def _parse(text: str | None) -> dict[str, int]:
    return {name: int(value) for name, value in _LINE.findall(text or "") if int(value) <= _MAX_KIB}


def _total_mb(tree: Tree, meminfo: dict[str, int]) -> int | None:
    """Return what the kernel says of the machine, else of its nodes; None when it says nothing.

    The nodes' sum is smaller where the kernel brings memory up late, so it is only the second choice.
    """
    if meminfo.get("MemTotal"):
        return meminfo["MemTotal"] // 1024
    base = "sys/devices/system/node"
    nodes = [_parse(tree.text(f"{base}/{name}/meminfo")) for name in tree.names(base) if _NODE.fullmatch(name)]
    return sum(node.get("MemTotal", 0) for node in nodes) // 1024 or None


def _zram_mb(tree: Tree) -> int:
    total = 0
    for base in ("sys/block", "sys/devices/virtual/block"):
        for name in tree.names(base):
            if _ZRAM.fullmatch(name):
                total += max(0, tree.integer(f"{base}/{name}/disksize") or 0)
        if total:
            break
    return total >> 20


def _page_size(tree: Tree, architecture: str | None, huge_page_kib: int | None) -> int | None:
    """Return the kernel's page size; a capture's own note, or what architecture or huge pages make certain."""
    noted = as_integer(tree.noted("capture/page_size", lambda: str(os.sysconf("SC_PAGE_SIZE"))))
    if noted in _PAGE_SIZES:
        return noted
    mapped = re.search(r"^KernelPageSize:\s+([0-9]{1,6}) kB", tree.text("proc/self/smaps") or "", re.M)
    if mapped and int(mapped[1]) * 1024 in _PAGE_SIZES:
        return int(mapped[1]) * 1024
    if architecture in _FIXED_PAGE_SIZE:
        return _FIXED_PAGE_SIZE[architecture]
    return _ARM64_PAGE_OF_HUGE_PAGE_KIB.get(huge_page_kib or 0) if architecture == "aarch64" else None


def _transparent_huge_pages(tree: Tree) -> str | None:
    match = re.search(r"\[(\w+)\]", tree.line("sys/kernel/mm/transparent_hugepage/enabled") or "")
    return match[1] if match else None
