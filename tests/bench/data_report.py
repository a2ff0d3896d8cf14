# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data bench's results as the tables of docs/bench-data.md."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

STORES = ("postgres", "mysql", "redis")
#: Fractions, which are compared as they are.
FRACTIONS = ("pgvector recall@10",)


def table(results: Mapping[str, Any]) -> list[str]:
    """Return Markdown: speeds and ratios of each store, its memory, and the rows of deploy and story."""
    lines: list[str] = []
    for name in STORES:
        if name in results:
            lines += [*speeds(results[name]["sides"]), "", *memory(name, results[name]), ""]
    if "deploy" in results:
        lines += [*deploy(results["deploy"]), ""]
    if "story" in results:
        lines += story(results["story"])
    return lines


def speeds(sides: Mapping[str, Any]) -> list[str]:
    """Return one row for each measurement: the medians, and ours over the better of the others, round by round."""
    names = list(sides)
    others = [name for name in names if not name.startswith("ours")]
    ours = [name for name in names if name.startswith("ours")]
    heads = [*names, *(f"{name} ÷ best other" for name in ours)]
    lines = [f"| per second | {' | '.join(heads)} |", f"| --- {'| --- ' * len(heads)}|"]
    for what in sides[names[0]]["runs"][0]:
        runs = {name: [run[what] for run in sides[name]["runs"]] for name in names}
        medians = {name: statistics.median(values) for name, values in runs.items()}
        best = max(others, key=lambda name: medians[name])
        cells = [_number(medians[name], what) for name in names]
        cells += [_ratio(runs[name], runs[best]) for name in ours]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return lines


def _number(value: float, what: str) -> str:
    return f"{value:.3f}" if what in FRACTIONS else f"{value:,.0f}"


def _ratio(ours: Sequence[float], best: Sequence[float]) -> str:
    """Return the median of the rounds' ratios, and how far they lie apart."""
    ratios = [one / other for one, other in zip(ours, best)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def memory(name: str, result: Mapping[str, Any]) -> list[str]:
    lines = ["| MiB | held after the load | its settings allow | the plan's part |", "| --- | --- | --- | --- |"]
    for side, found in result["sides"].items():
        worst = "no bound" if found["worst_mb"] is None else f"{found['worst_mb']:,.0f}"
        part = f"{result['budget_mb']:,}" if side.startswith("ours") else ""
        lines.append(f"| {name}, {side} | {max(found['held_mb']):,} | {worst} | {part} |")
    return lines


def deploy(times: Mapping[str, Sequence[float]]) -> list[str]:
    ping, second = (statistics.median(times[name]) for name in ("ping", "second deploy"))
    return [
        "| playbook | median | ÷ ping | target |",
        "| --- | --- | --- | --- |",
        f"| ping | {ping:.2f} s | 1 | |",
        f"| second deploy of app, proxy and three stores | {second:.2f} s | {second / ping:.1f} | ≤ 20 |",
    ]


def story(steps: Mapping[str, Any]) -> list[str]:
    """Return one row for each phase: requests per second and the factor to the first."""
    first = statistics.median(next(iter(steps.values()))["requests_per_second"])
    lines = ["| phase | requests/s | factor | p95 | workers |", "| --- | --- | --- | --- | --- |"]
    for name, step in steps.items():
        rate, p95 = (statistics.median(step[key]) for key in ("requests_per_second", "p95_ms"))
        lines.append(f"| {name} | {rate:,.0f} | {rate / first:.1f} | {p95:,.0f} ms | {step['workers']} |")
    return lines
