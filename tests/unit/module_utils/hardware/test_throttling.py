# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.throttling import read_throttling
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.tree import Tree
from unit.module_utils.hardware.machine_trees import write

POLICY = "sys/devices/system/cpu/cpufreq/policy4"
ZONE = "sys/class/thermal/thermal_zone0"
COOLER = "sys/class/thermal/cooling_device3"
PI = "sys/devices/platform/soc/soc:firmware/get_throttled"
PI_5 = "sys/bus/platform/drivers/raspberrypi-firmware/soc@107c000000:firmware/get_throttled"
ZONE_FILES = {
    f"{ZONE}/type": "soc-thermal\n",
    f"{ZONE}/trip_point_0_type": "active\n",
    f"{ZONE}/trip_point_0_temp": "50000\n",
    f"{ZONE}/trip_point_1_type": "passive\n",
    f"{ZONE}/trip_point_1_temp": "75000\n",
    f"{ZONE}/trip_point_2_type": "critical\n",
    f"{ZONE}/trip_point_2_temp": "115000\n",
}


def policy(allowed: int, possible: int = 2_400_000) -> dict[str, str]:
    return {
        f"{POLICY}/related_cpus": "4 5\n",
        f"{POLICY}/cpuinfo_max_freq": f"{possible}\n",
        f"{POLICY}/scaling_max_freq": f"{allowed}\n",
    }


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (policy(1_200_000), ["CPUs 4-5", "1200 MHz", "2400"]),
        ({**ZONE_FILES, f"{ZONE}/temp": "80500\n"}, ["soc-thermal", "80 °C", "75 °C"]),
        ({f"{COOLER}/type": "thermal-cpufreq-0\n", f"{COOLER}/cur_state": "3\n"}, ["throttled for heat now", "3"]),
        ({f"{COOLER}/type": "Processor\n", f"{COOLER}/cur_state": "1\n"}, ["throttled for heat now"]),
        ({PI: "1\n"}, ["firmware:", "supply voltage"]),
        ({PI_5: "50005\n"}, ["firmware: the supply voltage", "firmware: the CPU is throttled"]),
        ({PI: "50000\n"}, ["since boot", "supply voltage", "throttled"]),
    ],
)
def test_what_slows_the_machine_down_is_said(tmp_path: Path, files: dict[str, str], words: list[str]) -> None:
    for path, content in files.items():
        write(tmp_path, path, content)
    said = " ".join(read_throttling(Tree(tmp_path)))
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    "files",
    [
        policy(2_400_000),
        policy(1_200_000, possible=0),
        {**ZONE_FILES, f"{ZONE}/temp": "60000\n"},
        {**ZONE_FILES, f"{ZONE}/temp": "-273200\n"},
        {**ZONE_FILES, f"{ZONE}/temp": "hot\n"},
        {f"{COOLER}/type": "thermal-cpufreq-0\n", f"{COOLER}/cur_state": "0\n"},
        {f"{COOLER}/type": "pwm-fan\n", f"{COOLER}/cur_state": "3\n"},
        {PI: "0\n"},
        {PI: "no\n"},
        {},
    ],
)
def test_a_machine_at_full_speed_has_no_warning(tmp_path: Path, files: dict[str, str]) -> None:
    for path, content in files.items():
        write(tmp_path, path, content)
    assert read_throttling(Tree(tmp_path)) == []
