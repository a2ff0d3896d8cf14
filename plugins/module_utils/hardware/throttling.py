# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the machine slowed down just now?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .topology import CpuFacts, cpufreq_policies, read_mhz
from .tree import Tree


def read_throttling(tree: Tree, cpus: Sequence[CpuFacts]) -> list[str]:
    """Return a warning for each way in which the machine is slower now than its facts say."""
    return [*_capped_clocks(tree)]


def _capped_clocks(tree: Tree) -> Iterable[str]:
    for policy in cpufreq_policies(tree):
        allowed, possible = read_mhz(tree, f"{policy}/scaling_max_freq"), read_mhz(tree, f"{policy}/cpuinfo_max_freq")
        if allowed is not None and possible is not None and allowed < possible:
            cpus = tree.line(f"{policy}/related_cpus") or "?"
            yield f"CPUs {cpus} are held at {allowed} of {possible} MHz"
