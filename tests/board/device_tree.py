# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the device tree of qemu's virt machine with eight CPUs into that of an Orange Pi 5 Plus; from stdin to stdout.

What the kernel reads out of it: the name, and each CPU's capacity-dmips-mhz, which becomes its cpu_capacity. CPUs 0 to
3 are the small ones.
"""

from __future__ import annotations

import re
import sys

MODEL = "Orange Pi 5 Plus"
COMPATIBLE = ("xunlong,orangepi-5-plus", "rockchip,rk3588")
#: Dhrystone per MHz times clock, the fastest being 1024: Cortex-A55 at 1.8 GHz beside Cortex-A76 at 2.4 GHz.
CAPACITIES = (530,) * 4 + (1024,) * 4


def board(source: str) -> str:
    """Return the edited source. Raises ``ValueError`` when it is not as expected."""
    text, count = re.subn(r'(\n\t)model = "[^"]*";', rf'\1model = "{MODEL}";', source, count=1)
    names = ", ".join(f'"{name}"' for name in COMPATIBLE)
    text, also = re.subn(r'(\n\t)compatible = "linux,dummy-virt";', rf"\1compatible = {names};", text, count=1)
    if not also:
        raise ValueError("this is not the device tree of qemu's virt machine")
    if not count:  # older versions of qemu give it no model
        text = text.replace(f"\n\tcompatible = {names};", f'\n\tmodel = "{MODEL}";\n\tcompatible = {names};', 1)
    for number, capacity in enumerate(CAPACITIES):
        node = re.compile(rf"(\n\t\tcpu@{number} \{{\n)")
        text, found = node.subn(rf"\1\t\t\tcapacity-dmips-mhz = <{capacity}>;\n", text)
        if found != 1:
            raise ValueError(f"there are {found} nodes cpu@{number}, not one")
    return text


if __name__ == "__main__":
    sys.stdout.write(board(sys.stdin.read()))
