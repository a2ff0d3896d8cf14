# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from bench.sizing_report import RULES, chart, geometric_mean, table


def cell(workload: str, plan: float, others: float, broken: str = "") -> dict[str, Any]:
    rules = {name: {"workers": 5, "threads": 1, "ratio": others, "p95": 0.1, "broken": broken} for name in RULES}
    rules["plan"] = {"workers": 2, "threads": 4, "ratio": plan, "p95": 0.1, "broken": ""}
    best = {"workers": 3, "threads": 1, "throughput": 812.3}
    return {"shape": "1cpu-512m", "workload": workload, "limit": 0.5, "best": best, "rules": rules}


CELLS = [cell("cpu", 1.0, 0.5), cell("memory", 0.81, 0.0, "killed")]


def test_the_mean_is_over_served_cells_and_says_how_many_were_not() -> None:
    mean, failed = geometric_mean(CELLS, "plan")
    assert (round(mean, 6), failed) == (0.9, 0)
    mean, failed = geometric_mean(CELLS, "2n+1")
    assert (round(mean, 6), failed) == (0.5, 1)


def test_the_table_has_each_rules_setting_and_the_verdict() -> None:
    lines = table(CELLS)
    assert lines[1].split() == ["cpu", "1cpu-512m", "3", "812/s", "2x4:", "1.00", *["5:", "0.50"] * 4]
    assert lines[2].split()[-2:] == ["5:", "killed"]
    assert lines[-1] == (
        "plan: geometric mean 0.900 (target 0.95), worst cell 0.81 (memory on 1cpu-512m, target 0.85), "
        "0 cells not served"
    )


def test_the_chart_has_a_mark_for_every_rule_and_a_cross_for_what_was_killed() -> None:
    drawn = ElementTree.fromstring(chart(CELLS))
    space = "{http://www.w3.org/2000/svg}"
    legend = len(RULES)
    assert len(drawn.findall(f"{space}path")) == 4
    assert len(drawn.findall(f"{space}circle")) == legend + len(RULES) + 1
