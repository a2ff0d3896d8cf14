# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CPUs are online, what they are, and which are threads of one core."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .board import device_tree_compatible
from .cores import WIDE, WIDEST, CoreClass, arm_core, chip_parts, is_intel_hybrid, x86_core_class
from .cpuinfo import CpuInfo
from .cpulist import MAX_CPUS, parse_cpu_list, parse_cpu_mask
from .tree import HardwareError, Tree, as_integer

CPU_DIRECTORY = "sys/devices/system/cpu"
_CPU_NAME = re.compile(r"cpu([0-9]{1,4})")
_POLICY_NAME = re.compile(r"policy[0-9]{1,4}")
# Clocks outside of these are no clocks: 10 MHz to 20 GHz, in kHz.
_MIN_KHZ, _MAX_KHZ = 10_000, 20_000_000


@dataclass(frozen=True)
class CpuFacts:
    """One online CPU. ``core`` is the lowest CPU number of its physical core, None when unknown.

    ``identity`` is equal for CPUs of one part. ``core_class`` is None for parts that we do not know.
    ``kernel_capacity`` is the kernel's cpu_capacity (1..1024), ``highest_perf`` ACPI CPPC's.
    """

    number: int
    core: int | None = None
    name: str | None = None
    identity: str | None = None
    core_class: CoreClass | None = None
    max_mhz: int | None = None
    kernel_capacity: int | None = None
    highest_perf: int | None = None


def read_cpus(tree: Tree, cpuinfo: CpuInfo) -> tuple[CpuFacts, ...]:
    """Return the online CPUs by number. Raises HardwareError when the tree knows of none."""
    online = online_cpus(tree, cpuinfo)
    if not online:
        raise HardwareError(
            f"no processor found below {tree.root}: neither {CPU_DIRECTORY} nor proc/cpuinfo names one; "
            "give a root that has them, such as a tree that 'capture' has written"
        )
    clocks = _max_mhz(tree, online)
    cores = _physical_cores(tree, cpuinfo, online)
    hybrid = _hybrid_classes(tree, cpuinfo, cores, online)
    facts = []
    for cpu in sorted(online):
        identity = _identify(tree, cpuinfo, cpu, hybrid.get(cpu))
        facts.append(
            CpuFacts(
                number=cpu,
                core=cores.get(cpu),
                name=identity.name,
                identity=identity.identity,
                core_class=identity.core_class,
                max_mhz=clocks.get(cpu),
                kernel_capacity=_positive(tree.integer(f"{CPU_DIRECTORY}/cpu{cpu}/cpu_capacity")),
                highest_perf=_positive(tree.integer(f"{CPU_DIRECTORY}/cpu{cpu}/acpi_cppc/highest_perf")),
            )
        )
    return _with_parts_of_chip(tree, facts)


def _with_parts_of_chip(tree: Tree, cpus: Sequence[CpuFacts]) -> tuple[CpuFacts, ...]:
    """Where nothing names the cores but the chip is known: its slowest CPUs are the little ones."""
    parts = chip_parts(device_tree_compatible(tree)) if not any(cpu.identity for cpu in cpus) else None
    clocks = {cpu.max_mhz for cpu in cpus}
    if parts is None or None in clocks or len(clocks) == 1:
        return tuple(cpus)
    slowest = min(clock for clock in clocks if clock)
    named = []
    for cpu in cpus:
        part = parts[0] if cpu.max_mhz == slowest else parts[1]
        identity = _arm_identity(0x41, part)
        named.append(replace(cpu, name=identity.name, identity=identity.identity, core_class=identity.core_class))
    return tuple(named)


def online_cpus(tree: Tree, cpuinfo: CpuInfo) -> frozenset[int]:
    """Return the numbers of the online CPUs: those that sysfs lists, as far as anything else knows of them.

    An offline CPU keeps its directory, but has no topology in it and no place in cpuinfo.
    """
    matches = (_CPU_NAME.fullmatch(name) for name in tree.names(CPU_DIRECTORY))
    directories = frozenset(int(match[1]) for match in matches if match and int(match[1]) < MAX_CPUS)
    powered = frozenset(cpu for cpu in directories if tree.exists(f"{CPU_DIRECTORY}/cpu{cpu}/topology"))
    described = frozenset(cpuinfo.cpus)
    listed = parse_cpu_list(tree.text(f"{CPU_DIRECTORY}/online")) or frozenset()
    online = listed & (powered or directories or described)
    if not online:
        online = _probably_online(tree, powered or directories, described)
    for name in ("present", "possible"):
        online = online & (parse_cpu_list(tree.text(f"{CPU_DIRECTORY}/{name}")) or online) or online
    return online


def _probably_online(tree: Tree, present: frozenset[int], described: frozenset[int]) -> frozenset[int]:
    """Return the online CPUs without the list of them."""
    offline = parse_cpu_list(tree.text(f"{CPU_DIRECTORY}/offline")) or frozenset()
    switched_off = {cpu for cpu in present if tree.line(f"{CPU_DIRECTORY}/cpu{cpu}/online") == "0"}
    online = ((present or described) - switched_off) or present
    for better in (online - offline, online & described):
        online = better or online
    return online


def _positive(value: int | None) -> int | None:
    return value if value is not None and 0 < value <= 1 << 20 else None


def _max_mhz(tree: Tree, online: frozenset[int]) -> dict[int, int]:
    """Return the highest clock that each CPU's hardware offers (not what a governor allows now)."""
    clocks: dict[int, int] = {}
    for policy in cpufreq_policies(tree):
        mhz = read_mhz(tree, f"{policy}/cpuinfo_max_freq")
        members = parse_cpu_list(tree.line(f"{policy}/related_cpus")) or frozenset()
        if mhz is not None:
            clocks.update(dict.fromkeys(members & online, mhz))
    for cpu in online - clocks.keys():
        mhz = read_mhz(tree, f"{CPU_DIRECTORY}/cpu{cpu}/cpufreq/cpuinfo_max_freq")
        if mhz is not None:
            clocks[cpu] = mhz
    return clocks


def cpufreq_policies(tree: Tree) -> Iterator[str]:
    """Yield the directories of the frequency policies."""
    base = f"{CPU_DIRECTORY}/cpufreq"
    return (f"{base}/{name}" for name in tree.names(base) if _POLICY_NAME.fullmatch(name))


def read_mhz(tree: Tree, path: str) -> int | None:
    """Return a clock file's content in MHz; None when it is absent or absurd."""
    khz = tree.integer(path)
    return (khz + 500) // 1000 if khz is not None and _MIN_KHZ <= khz <= _MAX_KHZ else None


def _physical_cores(tree: Tree, cpuinfo: CpuInfo, online: frozenset[int]) -> dict[int, int]:
    """Return each CPU's core, named by its lowest online CPU.

    Package numbers are of no use for this: vendor kernels give every Arm cluster its own.
    """
    cores: dict[int, int] = {}
    by_identifier: dict[tuple[str, str], int] = {}
    for cpu in sorted(online):
        if cpu in cores:
            continue
        siblings = _siblings(tree, cpu) & online
        lines = cpuinfo.of(cpu)
        if cpu in siblings:
            cores.update(dict.fromkeys(siblings - cores.keys(), cpu))
        elif "core id" in lines:
            identifier = (lines.get("physical id", "0"), lines["core id"])
            cores[cpu] = by_identifier.setdefault(identifier, cpu)
    return cores


def _siblings(tree: Tree, cpu: int) -> frozenset[int]:
    base = f"{CPU_DIRECTORY}/cpu{cpu}/topology"
    for name in ("thread_siblings", "core_cpus"):
        siblings = parse_cpu_list(tree.line(f"{base}/{name}_list")) or parse_cpu_mask(tree.line(f"{base}/{name}"))
        if siblings:
            return siblings
    return frozenset()


def _hybrid_classes(
    tree: Tree, cpuinfo: CpuInfo, cores: dict[int, int], online: frozenset[int]
) -> dict[int, CoreClass]:
    """Tell Intel's performance cores from its efficient ones; empty where there are not both kinds."""
    performance = parse_cpu_list(tree.text("sys/devices/cpu_core/cpus")) or frozenset()
    efficient = parse_cpu_list(tree.text("sys/devices/cpu_atom/cpus")) or frozenset()
    if not (performance & online and efficient & online):
        performance, efficient = _by_threads(cpuinfo, cores)
    if not (performance & online and efficient & online):
        return {}
    classes = dict.fromkeys(efficient & online, WIDE)
    classes.update(dict.fromkeys(performance & online, WIDEST))
    return classes


def _by_threads(cpuinfo: CpuInfo, cores: dict[int, int]) -> tuple[frozenset[int], frozenset[int]]:
    """Of Intel's hybrids only the performance cores have two threads (where firmware left them on).

    On any other model a core with one thread is one whose other thread is offline.
    """
    lines = cpuinfo.first
    if not is_intel_hybrid(lines.get("vendor_id"), as_integer(lines.get("cpu family")), as_integer(lines.get("model"))):
        return frozenset(), frozenset()
    threads = Counter(cores.values())
    threaded = frozenset(cpu for cpu, core in cores.items() if threads[core] > 1)
    return threaded, frozenset(cores) - threaded


# RISC-V, others, LoongArch, MIPS, POWER.
_NAME_KEYS = ("uarch", "model name", "Model Name", "cpu model", "cpu")
_HYBRID_NAMES = {WIDEST: "P-core", WIDE: "E-core"}


@dataclass(frozen=True)
class _Identity:
    name: str | None
    identity: str | None
    core_class: CoreClass | None


def _identify(tree: Tree, cpuinfo: CpuInfo, cpu: int, hybrid: CoreClass | None) -> _Identity:
    lines = cpuinfo.of(cpu)
    if "vendor_id" in lines:
        return _identify_x86(lines, hybrid)
    implementer, part = _hexadecimal(lines.get("CPU implementer")), _hexadecimal(lines.get("CPU part"))
    if implementer is None or part is None:
        implementer, part = _midr(tree, cpu)
    if implementer is None or part is None:
        name = next((lines[key] for key in _NAME_KEYS if lines.get(key)), None)
        if hybrid is not None:  # a tree without cpuinfo
            name = (f"{name} " if name else "") + _HYBRID_NAMES[hybrid]
        return _Identity(name, name and f"{name} {lines.get('marchid', '')}", hybrid)
    return _arm_identity(implementer, part)


def _arm_identity(implementer: int, part: int) -> _Identity:
    known = arm_core(implementer, part)
    identity = f"{implementer:#04x}/{part:#05x}"
    return _Identity(known[0] if known else identity, identity, known[1] if known else None)


def _identify_x86(lines: Mapping[str, str], hybrid: CoreClass | None) -> _Identity:
    vendor, model_name = lines["vendor_id"], lines.get("model name")
    family, model = as_integer(lines.get("cpu family")), as_integer(lines.get("model"))
    core_class = hybrid or x86_core_class(vendor, family, model)
    suffix = f" ({_HYBRID_NAMES[core_class]})" if hybrid else ""
    name = " ".join(model_name.split()) + suffix if model_name else None
    return _Identity(name, f"{vendor} {family}/{model}{suffix}", core_class)


def _hexadecimal(text: str | None) -> int | None:
    return int(text, 16) if text and re.fullmatch(r"0x[0-9a-fA-F]{1,8}", text) else None


def _midr(tree: Tree, cpu: int) -> tuple[int | None, int | None]:
    """Return implementer and part from MIDR_EL1 (bits 31-24 and 15-4)."""
    text = tree.line(f"{CPU_DIRECTORY}/cpu{cpu}/regs/identification/midr_el1")
    if not text or not re.fullmatch(r"0x[0-9a-fA-F]{1,16}", text):
        return None, None
    value = int(text, 16)
    return value >> 24 & 0xFF, value >> 4 & 0xFFF
