# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of /proc and /sys files, built from compact facts about a machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.cpulist import (
    format_cpu_list,
    parse_cpu_list,
)


@dataclass(frozen=True)
class Cluster:
    """CPUs of one kind. ``part`` is "0x41/0xd05" (Arm) or "GenuineIntel 6/170" (x86)."""

    cpus: str
    part: str | None = None
    mhz: int | None = None
    capacity: int | None = None
    threads_per_core: int = 1
    name: str | None = None

    @property
    def numbers(self) -> list[int]:
        return sorted(parse_cpu_list(self.cpus) or ())


@dataclass(frozen=True)
class Machine:
    """What a tree shall say; ``files`` are added as they are (paths below the root)."""

    clusters: Sequence[Cluster]
    memory_kib: int | None = 8 << 20
    architecture: str = "aarch64"
    offline: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def online(self) -> list[int]:
        offline = parse_cpu_list(self.offline) or frozenset()
        return [cpu for cluster in self.clusters for cpu in cluster.numbers if cpu not in offline]


def build_tree(root: Path, machine: Machine) -> Path:
    """Write the machine's files below ``root`` and return it."""
    for path, content in machine_files(machine).items():
        write(root, path, content)
    return root


def write(root: Path, path: str, content: str) -> None:
    """Write one file of a tree."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)


def machine_files(machine: Machine) -> dict[str, str]:
    """Return the files of a machine by path."""
    base = "sys/devices/system/cpu"
    everything = sorted(cpu for cluster in machine.clusters for cpu in cluster.numbers)
    files = {
        "proc/cpuinfo": cpuinfo(machine),
        f"{base}/online": format_cpu_list(machine.online) + "\n",
        f"{base}/offline": machine.offline + "\n",
        f"{base}/present": format_cpu_list(everything) + "\n",
        f"{base}/possible": format_cpu_list(everything) + "\n",
    }
    for cluster in machine.clusters:
        numbers = cluster.numbers
        for index, cpu in enumerate(numbers):
            directory = f"{base}/cpu{cpu}"
            online = cpu in machine.online
            files[f"{directory}/online"] = f"{int(online)}\n"
            if not online:
                continue
            core = index - index % cluster.threads_per_core
            siblings = numbers[core : core + cluster.threads_per_core]
            files[f"{directory}/topology/thread_siblings_list"] = format_cpu_list(siblings) + "\n"
            if cluster.mhz:
                files[f"{directory}/cpufreq/cpuinfo_max_freq"] = f"{cluster.mhz * 1000}\n"
            if cluster.capacity:
                files[f"{directory}/cpu_capacity"] = f"{cluster.capacity}\n"
    if machine.memory_kib is not None:
        files["proc/meminfo"] = f"MemTotal:       {machine.memory_kib} kB\nSwapTotal:             0 kB\n"
    return {**files, **machine.files}


def cpuinfo(machine: Machine) -> str:
    """Return /proc/cpuinfo in the architecture's format."""
    blocks = {}
    for cluster in machine.clusters:
        for cpu in cluster.numbers:
            if cpu in machine.online:
                blocks[cpu] = f"processor\t: {cpu}\n{_part_lines(machine.architecture, cluster)}"
    return "\n".join(blocks[cpu] for cpu in sorted(blocks)) + "\n"


def _part_lines(architecture: str, cluster: Cluster) -> str:
    if architecture.startswith("riscv"):
        return f"isa\t\t: rv64imafdc\nuarch\t\t: {cluster.name or 'unknown'}\n"
    if architecture == "x86_64":
        vendor, _unused, model = (cluster.part or "GenuineIntel 6/0").partition(" ")
        family, _unused, number = model.partition("/")
        name = cluster.name or "A processor"
        return (
            f"vendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {number}\n"
            f"model name\t: {name}\nflags\t\t: fpu lm\n"
        )
    version = 8 if architecture == "aarch64" else 7
    lines = f"BogoMIPS\t: 48.00\nCPU architecture: {version}\n"
    if cluster.part:
        implementer, _unused, part = cluster.part.partition("/")
        lines += f"CPU implementer\t: {implementer}\nCPU part\t: {part}\n"
    return lines


def machine_from(facts: Mapping[str, Any]) -> Machine:
    """Return the machine of one entry of tests/unit/fixtures/hardware/*.yml."""
    keys = ("cpus", "part", "mhz", "capacity", "threads_per_core", "name")
    return Machine(
        clusters=[Cluster(**{key: entry[key] for key in keys if key in entry}) for entry in facts["clusters"]],
        memory_kib=facts.get("memory_mb", 8192) * 1024,
        architecture=facts["architecture"],
        offline=facts.get("offline", ""),
    )


def load_fixture(name: str) -> list[dict[str, Any]]:
    """Return the entries of a table of machines."""
    path = Path(__file__).parents[2] / "fixtures" / "hardware" / name
    entries: list[dict[str, Any]] = yaml.safe_load(path.read_text())
    return entries
