# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sizing bench's results as a table for a terminal and as a chart (SVG)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

Cells = Sequence[Mapping[str, Any]]
RULES = ("plan", "2n+1", "nproc", "WEB_CONCURRENCY", "4")
COLOURS = {"plan": "#0b6e4f", "2n+1": "#c2571a", "nproc": "#4a6fa5", "WEB_CONCURRENCY": "#8a5aa8", "4": "#7a7a7a"}
TARGET_MEAN, TARGET_CELL = 0.95, 0.85


def geometric_mean(cells: Cells, rule: str) -> tuple[float, int]:
    """Return the mean of a rule's share of the best over the cells that it served, and how many it did not."""
    ratios = [cell["rules"][rule]["ratio"] for cell in cells if not cell["rules"][rule]["broken"]]
    mean = math.exp(sum(math.log(max(ratio, 1e-9)) for ratio in ratios) / len(ratios)) if ratios else 0.0
    return mean, len(cells) - len(ratios)


def table(cells: Cells) -> list[str]:
    """Return the lines of the table: workers (and threads) of each rule, and its throughput over the best's."""
    lines = [f"{'workload':<10}{'host':<12}{'best':>14}" + "".join(f"{rule:>17}" for rule in RULES)]
    for cell in cells:
        best = cell["best"]
        line = f"{cell['workload']:<10}{cell['shape']:<12}{_setting(best):>6}{best['throughput']:>6.0f}/s"
        lines.append(line + "".join(f"{_result(cell['rules'][rule]):>17}" for rule in RULES))
    means = [geometric_mean(cells, rule) for rule in RULES]
    summary = "".join(f"{f'{mean:.3f}' + (f', {failed} not' if failed else ''):>17}" for mean, failed in means)
    lines.append(f"{'geometric mean':<36}{summary}")
    lines.append(_verdict(cells))
    return lines


def _setting(of: Mapping[str, Any]) -> str:
    return f"{of['workers']}" if of["threads"] == 1 else f"{of['workers']}x{of['threads']}"


def _result(rule: Mapping[str, Any]) -> str:
    return f"{_setting(rule)}: {rule['broken'] or format(rule['ratio'], '.2f')}"


def _verdict(cells: Cells) -> str:
    mean, failed = geometric_mean(cells, "plan")
    worst = min(cells, key=lambda cell: cell["rules"]["plan"]["ratio"])
    text = f"plan: geometric mean {mean:.3f} (target {TARGET_MEAN}), worst cell {worst['rules']['plan']['ratio']:.2f} "
    return text + f"({worst['workload']} on {worst['shape']}, target {TARGET_CELL}), {failed} cells not served"


ROW, LEFT, WIDTH, TOP = 26, 190, 460, 64


def chart(cells: Cells) -> str:
    """Return an SVG with a line for each cell: every rule's throughput as a share of the best that the sweep found."""
    height = TOP + ROW * len(cells) + 56
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 40} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12">',
        "<title>Throughput of planned worker counts and of other rules, as a share of the best that was found</title>",
        f'<rect width="100%" height="{height}" fill="#ffffff"/>',
        *_legend(),
        *_axis(len(cells)),
    ]
    for index, cell in enumerate(cells):
        parts += _row(cell, TOP + ROW * index + ROW // 2)
    note = "Hollow: requests failed, or the 95th percentile was above the limit. Cross: workers were killed for memory."
    parts.append(f'<text x="8" y="{height - 10}" fill="#555">{note}</text></svg>')
    return "\n".join(parts) + "\n"


def _x(ratio: float) -> float:
    return LEFT + WIDTH * min(ratio, 1.1) / 1.1


def _legend() -> list[str]:
    parts, x = ['<text x="8" y="20" font-weight="600" fill="#222">Throughput ÷ best of the sweep</text>'], 8
    for rule in RULES:
        label = "fixed 4" if rule == "4" else rule
        parts.append(_mark(x + 6, 40, rule, ""))
        parts.append(f'<text x="{x + 16}" y="44" fill="#222">{escape(label)}</text>')
        x += 36 + 8 * len(label)
    return parts


def _axis(rows: int) -> list[str]:
    bottom = TOP + ROW * rows
    parts = []
    for tick in (0, 0.25, 0.5, 0.85, 1.0):
        dash = ' stroke-dasharray="3 3"' if tick == TARGET_CELL else ""
        x = _x(tick)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#ccc"{dash}/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle" fill="#555">{tick:g}</text>')
    return parts


def _row(cell: Mapping[str, Any], y: int) -> list[str]:
    label = escape(f"{cell['workload']}, {cell['shape']}")
    parts = [f'<text x="8" y="{y + 4}" fill="#222">{label}</text>']
    # The plan last, on top of the others.
    for number, rule in reversed(list(enumerate(RULES))):
        result = cell["rules"][rule]
        ratio = 0.0 if result["broken"] == "killed" else result["ratio"]
        # Rules often choose the same number: their marks are set off from each other.
        above = 0 if rule == "plan" else 5 * number - 13
        parts.append(_mark(_x(ratio), y + above, rule, result["broken"]))
    return parts


def _mark(x: float, y: int, rule: str, broken: str) -> str:
    colour = COLOURS[rule]
    if broken == "killed":
        shape = f"M{x - 4:.1f} {y - 4}l8 8m0 -8l-8 8"
        return f'<path d="{shape}" stroke="{colour}" stroke-width="2" fill="none"/>'
    radius = 6 if rule == "plan" else 4
    fill = "none" if broken else colour
    return f'<circle cx="{x:.1f}" cy="{y}" r="{radius}" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>'
