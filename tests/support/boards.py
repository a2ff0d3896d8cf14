# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe boards that are not at hand, as trees of files that ``plan_root`` takes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from unit.module_utils.hardware.machine_trees import build_tree, load_fixture, machine_from

#: The kernel's view of the RK3588's cores: Dhrystone per MHz times clock (530 of 1024 for the small ones).
RK3588_CAPACITIES = (530, 1024, 1024)
SAME_CHIP_AND_MEMORY = "Radxa ROCK 5B"


def orange_pi(directory: Path) -> Path:
    """Write what is known of an Orange Pi 5 Plus with 16 GB: its cores, clocks and memory. Nothing else is in it."""
    facts = next(facts for facts in load_fixture("measured_machines.yml") if facts["machine"] == SAME_CHIP_AND_MEMORY)
    described = machine_from(facts)
    clusters = [
        dataclasses.replace(one, capacity=capacity) for one, capacity in zip(described.clusters, RK3588_CAPACITIES)
    ]
    names = {
        "proc/device-tree/model": "Orange Pi 5 Plus\0",
        "proc/device-tree/compatible": "xunlong,orangepi-5-plus\0rockchip,rk3588\0",
        "proc/sys/kernel/arch": "aarch64\n",
        "capture/page_size": "4096\n",
    }
    return build_tree(directory, dataclasses.replace(described, clusters=clusters, files=names))
