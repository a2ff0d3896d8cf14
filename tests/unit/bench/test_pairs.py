# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before and after are measured in turns and compared round by round."""

from __future__ import annotations

from bench.pairs import compare, in_turns, table


def test_sides_take_turns_and_who_begins_changes() -> None:
    order: list[str] = []

    def measure(name: str) -> int:
        order.append(name)
        return len(order)

    found = in_turns({"before": lambda: measure("before"), "after": lambda: measure("after")}, rounds=3)
    assert order == ["before", "after", "after", "before", "before", "after"]
    assert found == {"before": [1, 4, 5], "after": [2, 3, 6]}


def test_a_factor_is_the_median_of_the_rounds() -> None:
    """A round on a busy machine is slow on both sides: its factor counts, its numbers do not."""
    runs = {"before": [10.0, 1.0, 12.0], "after": [30.0, 4.0, 24.0]}
    row = compare("requests", "3-5 x", "/s", runs, lambda value: value)
    assert (row.before, row.after, row.factor, row.spread) == (10.0, 24.0, 3.0, (2.0, 4.0))
    assert table([row])[2] == "| requests | 3-5 x | 10 | 24 /s | 3 (2-4) |"
