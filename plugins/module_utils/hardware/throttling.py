# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the machine is slower just now than its facts say."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .cpulist import format_cpu_list, parse_cpu_list
from .topology import CPU_DIRECTORY, cpufreq_policies, read_mhz
from .tree import Tree

_ZONE = re.compile(r"thermal_zone[0-9]{1,3}")
_COOLER = re.compile(r"cooling_device[0-9]{1,3}")
_CPU_COOLER = re.compile(r"(thermal-)?(cpufreq|cpuidle|cpu)|Processor", re.I)
_THERMAL = "sys/class/thermal"
_MAX_TRIPS = 16
_PI_DRIVER = "sys/bus/platform/drivers/raspberrypi-firmware"
# Raspberry Pi firmware, GET_THROTTLED: bits 0-3 say what is so now, 16-19 what has been since boot.
_PI_BITS = (
    (0, "the supply voltage is too low: use a stronger power supply and a short cable"),
    (1, "the CPU clock is capped"),
    (2, "the CPU is throttled"),
    (3, "the CPU is near its temperature limit: cool it better"),
)


def read_throttling(tree: Tree) -> list[str]:
    """Return a warning for each way in which the machine is slowed down at this moment."""
    return [*_capped_clocks(tree), *_hot_zones(tree), *_active_coolers(tree), *_raspberry_pi(tree)]


def _capped_clocks(tree: Tree) -> Iterator[str]:
    policies = list(cpufreq_policies(tree)) or [
        f"{CPU_DIRECTORY}/{name}/cpufreq" for name in tree.names(CPU_DIRECTORY) if re.fullmatch(r"cpu[0-9]{1,4}", name)
    ]
    caps: dict[tuple[int, int], set[int]] = {}
    for policy in policies:
        allowed, possible = read_mhz(tree, f"{policy}/scaling_max_freq"), read_mhz(tree, f"{policy}/cpuinfo_max_freq")
        if allowed is not None and possible is not None and allowed < possible:
            members = parse_cpu_list(tree.line(f"{policy}/related_cpus")) or frozenset()
            caps.setdefault((allowed, possible), set()).update(members)
    for (allowed, possible), cpus in caps.items():
        who = f"CPU{'s' if len(cpus) > 1 else ''} {format_cpu_list(cpus)}" if cpus else "some CPUs"
        yield (
            f"{who} may run at {allowed} MHz only, of {possible}: heat, a power limit or scaling_max_freq holds them "
            "down; the plan counts the full clock"
        )


def _hot_zones(tree: Tree) -> Iterator[str]:
    for zone in (name for name in tree.names(_THERMAL) if _ZONE.fullmatch(name)):
        temperature = _millidegrees(tree, f"{_THERMAL}/{zone}/temp")
        trips = list(_throttling_trips(tree, zone)) if temperature is not None else []
        if temperature is not None and trips and temperature >= min(trips):
            name = tree.line(f"{_THERMAL}/{zone}/type") or zone
            yield f"{name} is at {temperature // 1000} °C and slows down from {min(trips) // 1000} °C: cool it better"


def _throttling_trips(tree: Tree, zone: str) -> Iterator[int]:
    for number in range(_MAX_TRIPS):
        kind = tree.line(f"{_THERMAL}/{zone}/trip_point_{number}_type")
        if kind is None:
            return
        trip = _millidegrees(tree, f"{_THERMAL}/{zone}/trip_point_{number}_temp")
        if kind in ("passive", "hot", "critical") and trip is not None and trip > 0:
            yield trip


def _millidegrees(tree: Tree, path: str) -> int | None:
    value = tree.integer(path)
    return value if value is not None and -100_000 < value < 300_000 else None


def _active_coolers(tree: Tree) -> Iterator[str]:
    for cooler in (name for name in tree.names(_THERMAL) if _COOLER.fullmatch(name)):
        kind = tree.line(f"{_THERMAL}/{cooler}/type") or ""
        state = tree.integer(f"{_THERMAL}/{cooler}/cur_state") if _CPU_COOLER.match(kind) else None
        if state is not None and state > 0:
            yield f"the CPU is throttled for heat now ({kind} at step {state}): cool it better"


def _raspberry_pi(tree: Tree) -> Iterator[str]:
    # The driver's own directory links to the device, whose name differs from model to model.
    devices = ["sys/devices/platform/soc/soc:firmware", *(f"{_PI_DRIVER}/{name}" for name in tree.names(_PI_DRIVER))]
    text = next((line for device in devices if (line := tree.line(f"{device}/get_throttled"))), "")
    if not re.fullmatch(r"(0x)?[0-9a-fA-F]{1,8}", text):
        return
    flags = int(text, 16)
    for bit, meaning in _PI_BITS:
        if flags >> bit & 1:
            yield f"firmware: {meaning}"
        elif flags >> (bit + 16) & 1:
            yield f"firmware, at some time since boot: {meaning}"
