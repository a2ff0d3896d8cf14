# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/proc/cpuinfo, whose format differs from architecture to architecture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .cpulist import MAX_CPUS

# Lines about the whole machine, which may stand in any block.
_MACHINE_KEYS = frozenset({"Hardware", "Model", "Revision", "machine", "platform"})


@dataclass(frozen=True)
class CpuInfo:
    """``cpus``: the lines of each CPU by number; ``machine``: those of the board; ``common``: of no CPU."""

    cpus: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)
    common: Mapping[str, str] = field(default_factory=dict)

    def of(self, cpu: int) -> Mapping[str, str]:
        """Return the lines about one CPU; old 32-bit Arm kernels write them once for all."""
        own = self.cpus.get(cpu, {})
        return {**self.common, **own} if self.common else own

    @property
    def first(self) -> Mapping[str, str]:
        """Return the lines of the CPU with the lowest number."""
        return self.of(min(self.cpus)) if self.cpus else self.common


def parse_cpuinfo(text: str | None) -> CpuInfo:
    """Return what /proc/cpuinfo says; empty when it says nothing."""
    cpus: dict[int, dict[str, str]] = {}
    machine: dict[str, str] = {}
    common: dict[str, str] = {}
    for number, lines in _blocks(text or ""):
        machine.update({key: value for key, value in lines.items() if key in _MACHINE_KEYS})
        if number is None:
            common.update(lines)
        elif number < MAX_CPUS:
            cpus.setdefault(number, lines)
    return CpuInfo(cpus, machine, common)


def _blocks(text: str) -> Iterator[tuple[int | None, dict[str, str]]]:
    """Yield (CPU number or None, lines); a "processor" line or an empty line starts a block."""
    number: int | None = None
    lines: dict[str, str] = {}
    for line in [*text.splitlines(), ""]:
        key, colon, value = line.partition(":")
        key, value = key.strip(), value.strip()
        if key and key != "processor":
            if colon:
                lines.setdefault(key, value)
            continue
        if number is not None or lines:
            yield number, lines
            number, lines = None, {}
        if key and value.isascii() and value.isdecimal() and len(value) < 10:
            number = int(value)


def architecture_of(cpuinfo: CpuInfo) -> str | None:
    """Return the machine's architecture as ``uname -m`` would name it, None when cpuinfo does not tell."""
    lines = cpuinfo.first
    if "vendor_id" in lines and "flags" in lines:
        return "x86_64" if "lm" in lines["flags"].split() else "i686"
    if "CPU architecture" in lines:
        return _arm_architecture(lines)
    isa = re.match(r"rv(32|64)", lines.get("isa", ""))
    if isa:
        return f"riscv{isa[1]}"
    if "IBM/S390" in {lines.get("vendor_id"), cpuinfo.common.get("vendor_id")}:
        return "s390x"
    if "Loongson-64bit" in {lines.get("CPU Family"), cpuinfo.common.get("CPU Family")}:
        return "loongarch64"
    return None


def _arm_architecture(lines: Mapping[str, str]) -> str:
    version = re.match(r"(AArch64|[0-9]+)", lines["CPU architecture"])
    if version is None:
        return "arm"
    if version[1] == "AArch64" or int(version[1]) >= 8:
        return "aarch64"
    return f"armv{version[1]}l"
