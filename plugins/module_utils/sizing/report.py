# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render a plan for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

#: Columns of a table line; reasons are folded beyond it. Ansible indents by eight more.
WIDTH = 110


def table(sizing: Mapping[str, Any], hardware: Mapping[str, Any] | None = None, width: int = WIDTH) -> list[str]:
    """Return the lines of a table of the ``sizing`` fact: every number, its value and its reason.

    ``hardware`` is the fact that the plan was made from. No line ends in a space.
    """
    lines = [machine(hardware)] if hardware is not None else []
    for title, rows in sections(sizing).items():
        names = max(len(name) for name, _unused, _unused in rows)
        values = max(len(value) for _unused, value, _unused in rows)
        lines += ["", title]
        for name, value, reason in rows:
            lines += _fold(f"  {name:<{names}}  {value:>{values}}  ", reason, width)
    return lines + _warnings(sizing["warnings"], width)


def sections(sizing: Mapping[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    """Group name, value and reason by the part of the path before the last dot, in the order of the plan."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for path in _paths(sizing):
        title, _unused, name = path.rpartition(".")
        value, _unused, reason = sizing["reasons"][path].partition(": ")
        found.setdefault("memory, MB" if title == "memory" else title, []).append((name, value, reason))
    return found


def _paths(sizing: Mapping[str, Any]) -> list[str]:
    paths = [f"memory.{line['for']}" for line in sizing["memory"]]
    paths += [f"gunicorn.{app}.{number}" for app, numbers in sizing["gunicorn"].items() for number in numbers]
    others = [name for name in sizing if name not in ("gunicorn", "memory", "reasons", "warnings")]
    paths += [f"{name}.{number}" for name in others for number in sizing[name]]
    return [path for path in paths if path in sizing["reasons"]]


def machine(hardware: Mapping[str, Any]) -> str:
    """Return one line about the machine that a plan was made from."""
    cpu, memory = hardware["cpu"], hardware["memory"]
    name = (hardware.get("board") or {}).get("model")
    cpus = f"{cpu['usable']} usable CPU{'' if cpu['usable'] == 1 else 's'}"
    return (
        f"{name + ': ' if name else ''}{cpus}, {cpu['capacity']:.2f} cores' worth "
        f"({cpu['capacity_source']}), {memory['usable_mb']} MB usable"
    )


def _fold(start: str, text: str, width: int) -> list[str]:
    room = max(20, width - len(start))
    first, *others = textwrap.wrap(text, room) or [""]
    return [(start + first).rstrip(), *(" " * len(start) + line for line in others)]


def _warnings(warnings: Sequence[str], width: int) -> list[str]:
    if not warnings:
        return []
    return ["", "warnings", *(line for text in warnings for line in _fold("  ! ", text, width))]
