# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's lists of CPU numbers, such as ``0-3,8``."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The largest NR_CPUS that the kernel can be built for (Kconfig of x86 and arm64).
MAX_CPUS = 8192
_RANGE = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")
_WORD = re.compile(r"[0-9a-fA-F]{1,8}")


def parse_cpu_list(text: str | None) -> frozenset[int] | None:
    """Return the CPU numbers of a list, None when the text is no such list.

    Numbers beyond what a kernel can have are left out, so ``0-4294967295`` stays small.
    """
    if text is None:
        return None
    # One bit for each CPU: a long list of long ranges costs no more than a short one.
    bits = 0
    for item in text.strip("\0 \t\r\n").replace(" ", ",").split(","):
        if not item:
            continue
        match = _RANGE.fullmatch(item)
        if match is None:
            return None
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            return None
        bits |= (1 << min(last + 1, MAX_CPUS)) - (1 << min(first, MAX_CPUS))
    return _numbers(bits)


def parse_cpu_mask(text: str | None) -> frozenset[int] | None:
    """Return the CPU numbers of a mask, as old kernels have it instead of a list: 32-bit words, highest first."""
    words = (text or "").strip("\0 \t\r\n").split(",")
    if len(words) > MAX_CPUS // 32 or not all(_WORD.fullmatch(word) for word in words):
        return None
    return _numbers(int("".join(word.zfill(8) for word in words), 16))


def _numbers(bits: int) -> frozenset[int]:
    return frozenset(number for number, bit in enumerate(reversed(f"{bits:b}")) if bit == "1")


def format_cpu_list(cpus: Iterable[int]) -> str:
    """Return the kernel's notation for CPU numbers."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
