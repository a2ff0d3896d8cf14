# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device tree of the emulated board. That a kernel reads it so is for ``make orangepi``."""

from __future__ import annotations

import re

import pytest
from board.device_tree import board

CPUS = "".join(f"\t\tcpu@{number} {{\n\t\t\treg = <{number:#x}>;\n\t\t}};\n\n" for number in range(8))
OF_QEMU = f'/ {{\n%s\tcompatible = "linux,dummy-virt";\n\n\tcpus {{\n{CPUS}\t}};\n}};\n'


@pytest.mark.parametrize("model", ["", '\tmodel = "linux,dummy-virt";\n'])
def test_it_has_the_boards_name_and_cores(model: str) -> None:
    text = board(OF_QEMU % model)
    assert text.count('\tmodel = "Orange Pi 5 Plus";\n') == 1
    assert '\tcompatible = "xunlong,orangepi-5-plus", "rockchip,rk3588";\n' in text
    found = re.findall(r"cpu@(\d) \{\n\t\t\tcapacity-dmips-mhz = <(\d+)>;\n", text)
    assert [int(capacity) for _unused, capacity in found] == [530] * 4 + [1024] * 4


@pytest.mark.parametrize(("old", "new"), [("linux,dummy-virt", "acme,board"), ("cpu@7", "cpu@8")])
def test_another_machine_is_refused(old: str, new: str) -> None:
    with pytest.raises(ValueError, match="device tree of qemu|nodes cpu@7"):
        board((OF_QEMU % "").replace(old, new))
