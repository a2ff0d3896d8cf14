# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the plans of one or several hosts as one self-contained web page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .report import machine, sections

#: Colours of the memory bar, distinguishable without red and green; the page cache is always grey.
COLOURS = ("#4c78a8", "#f58518", "#72b7b2", "#b279a2", "#eeca3b", "#9d755d", "#54a24b", "#e45756")
CACHE_COLOUR = "#c9ced6"
HEIGHT = 44
"""Height in pixels of the fastest CPU; the others are drawn in proportion to what they can do."""

#: More CPUs than this in one cluster are drawn closer together.
CROWD = 16

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d8dee4; --ground: #fff; --card: #f6f8fa;
  --big: #3b6ea8; --mid: #6d9bd1; --little: #a9c7e8; --warn: #9a6700; --warn-ground: #fff8e1; }
@media screen and (prefers-color-scheme: dark) { :root {
  --ink: #e6edf3; --soft: #9da7b3; --line: #30363d; --ground: #0d1117; --card: #161b22;
  --big: #6ca4e0; --mid: #4a7db5; --little: #2f5480; --warn: #e3b341; --warn-ground: #272115; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1400px; padding: 24px; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; margin: 0 0 20px; }
h2 { font-size: 18px; margin: 0 0 2px; }
.hosts { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(340px, 100%), 1fr)); }
.host { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 16px; }
.machine, .why, .none { color: var(--soft); }
.machine { margin: 0 0 12px; }
.clusters { display: flex; flex-wrap: wrap; gap: 18px; margin-bottom: 14px; }
.cluster { min-width: 0; max-width: 100%; }
.cpus { display: flex; align-items: flex-end; height: 48px; }
.cpu { flex: 0 1 16px; min-width: 1px; border-right: 3px solid var(--card); border-radius: 2px 2px 0 0;
  background: var(--big); }
.crowd .cpu { border-right-width: 1px; border-radius: 0; }
.cpu.mid { background: var(--mid); } .cpu.little { background: var(--little); }
.cluster small { display: block; color: var(--soft); font-size: 12.5px; }
.bar { display: flex; height: 26px; border-radius: 4px; overflow: hidden; }
.bar i { display: block; min-width: 1px; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 2px 14px; margin: 8px 0 0; padding: 0;
  font-size: 13px; }
.legend b { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 5px; }
.warnings { margin: 14px 0 0; padding: 8px 12px 8px 28px; border-left: 3px solid var(--warn);
  background: var(--warn-ground); border-radius: 4px; font-size: 14px; }
table { border-collapse: collapse; width: 100%; margin-top: 24px; }
th, td { text-align: left; vertical-align: top; padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); }
thead th { border-bottom: 2px solid var(--line); }
tbody th { font-weight: 500; white-space: nowrap; }
.section th { padding-top: 20px; font-size: 16px; font-weight: 600; }
.value { font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.why { overflow-wrap: anywhere; }
@media screen { .scroll { overflow-x: auto; } }
.many { table-layout: fixed; }
.many .why { display: block; font-size: 13px; max-width: 46ch; }
@media screen and (min-width: 701px) { .many { min-width: calc((var(--hosts) + 1) * 180px); } }
@media screen and (max-width: 700px) { body { padding: 16px; }
  table, tbody { display: block; } thead { display: none; }
  tr { display: flex; flex-wrap: wrap; justify-content: space-between; border-bottom: 1px solid var(--line);
    padding: 5px 0; }
  th, td { border: 0; padding: 0; } .one .why { flex-basis: 100%; font-size: 13px; }
  .many tr { display: block; } .many td { display: block; padding-top: 4px; } .many .none { display: none; }
  .many td::before { content: attr(data-host) ": "; color: var(--soft); } .many .why { max-width: none; } }
@page { margin: 12mm; }
@media print { body { max-width: none; padding: 0; font-size: 8.5pt; line-height: 1.35; }
  h1 { font-size: 15pt; margin-bottom: 12px; } h2, .section th { font-size: 10.5pt; } .section th { padding-top: 12px; }
  th, td { padding: 3px 10px 3px 0; } .cluster small, .legend, .warnings, .many .why { font-size: 7.5pt; }
  .host, tr { break-inside: avoid; } .host { padding: 10px; } .clusters { gap: 10px; } .machine { margin-bottom: 6px; }
  .hosts { grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); }
  .section { break-after: avoid; } * { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""


def page(hosts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return an HTML page about the plans of ``hosts``: name -> {hardware, sizing} (the facts of those names).

    It needs nothing from anywhere: no script, no font, no picture.
    """
    title = f"Plan for {', '.join(hosts)}"
    colours = _colours([facts["sizing"]["memory"] for facts in hosts.values()])
    cards = "".join(_card(name, facts["hardware"], facts["sizing"], colours) for name, facts in hosts.items())
    body = f'<h1>{escape(title)}</h1>\n<div class="hosts">{cards}</div>\n{_table(hosts)}'
    # Several columns need the long side of the paper.
    style = STYLE + ("@page { size: landscape; }\n" if len(hosts) > 2 else "")
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style>"
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _colours(budgets: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, str]:
    """Give each consumer of memory one colour, the same for all hosts."""
    names = dict.fromkeys(line["for"] for lines in budgets for line in lines if line["for"] != "page cache")
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)} | {"page cache": CACHE_COLOUR}


def _card(name: str, hardware: Mapping[str, Any], sizing: Mapping[str, Any], colours: Mapping[str, str]) -> str:
    clusters = "".join(map(_cluster, hardware["cpu"]["clusters"]))
    return (
        f'<section class="host"><h2>{escape(name)}</h2><p class="machine">{escape(machine(hardware))}</p>'
        f'<div class="clusters">{clusters}</div>{_memory(sizing["memory"], colours)}'
        f"{_warnings(sizing['warnings'])}</section>\n"
    )


def _cluster(cluster: Mapping[str, Any]) -> str:
    height = max(3, round(HEIGHT * min(1.0, cluster["capacity"])))
    cpu = f'<div class="cpu {escape(cluster["kind"])}" style="height:{height}px"></div>'
    mhz = f", {cluster['max_mhz']} MHz" if cluster["max_mhz"] else ""
    text = f"{len(cluster['cpus'])} × {cluster['name'] or cluster['kind']}{mhz}"
    worth = f"each {cluster['capacity']:.2f} of the fastest"
    drawn = cpu * len(cluster["cpus"])
    crowd = " crowd" if len(cluster["cpus"]) > CROWD else ""
    return f'<div class="cluster"><div class="cpus{crowd}">{drawn}</div><small>{escape(text)}<br>{worth}</small></div>'


def _memory(lines: Sequence[Mapping[str, Any]], colours: Mapping[str, str]) -> str:
    total = sum(line["mb"] for line in lines) or 1
    parts, legend = [], []
    for line in lines:
        colour = colours[line["for"]]
        text = escape(f"{line['for']}: {line['mb']} MB")
        parts.append(f'<i style="width:{100 * line["mb"] / total:.3f}%;background:{colour}" title="{text}"></i>')
        legend.append(f'<li><b style="background:{colour}"></b>{text}</li>')
    stacked = f'<div class="bar" role="img" aria-label="memory">{"".join(parts)}</div>'
    return f'{stacked}<ul class="legend">{"".join(legend)}</ul>'


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    return f'<ul class="warnings">{"".join(f"<li>{escape(text)}</li>" for text in warnings)}</ul>'


def _table(hosts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return every number with its reason: beside it for one host, below it with one column per host for several."""
    plans = [sections(facts["sizing"]) for facts in hosts.values()]
    titles = list(dict.fromkeys(title for plan in plans for title in plan))
    many = len(plans) > 1
    heads = list(hosts) if many else ["value", "why"]
    body = "".join(_section(title, [plan.get(title, []) for plan in plans], list(hosts)) for title in titles)
    head = "".join(f"<th>{escape(text)}</th>" for text in ["", *heads])
    kind = "many" if many else "one"
    return (
        f'<div class="scroll"><table class="{kind}" style="--hosts:{len(hosts)}"><thead><tr>{head}</tr></thead>{body}'
        "</table></div>"
    )


def _section(title: str, plans: Sequence[Sequence[tuple[str, str, str]]], hosts: Sequence[str]) -> str:
    names = list(dict.fromkeys(name for rows in plans for name, _unused, _unused in rows))
    # What remains comes last, also below what only some hosts have.
    names.sort(key=lambda name: name == "page cache")
    many = len(hosts) > 1
    columns = [{name: (value, why) for name, value, why in rows} for rows in plans]
    rows = "".join(
        f"<tr><th>{escape(name)}</th>"
        f"{''.join(_cell(column.get(name), host if many else None) for host, column in zip(hosts, columns))}</tr>"
        for name in names
    )
    span = len(plans) + 1 if many else 3
    return f'<tbody><tr class="section"><th colspan="{span}">{escape(title)}</th></tr>{rows}</tbody>'


def _cell(number: tuple[str, str] | None, host: str | None) -> str:
    if number is None:
        return '<td class="none">–</td>'
    value, why = map(escape, number)
    inside = f'<span class="value">{value}</span>'
    if host is not None:
        return f'<td data-host="{escape(host)}">{inside}<span class="why">{why}</span></td>'
    return f'<td>{inside}</td><td class="why">{why}</td>'
