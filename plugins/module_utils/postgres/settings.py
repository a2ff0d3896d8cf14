# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare settings as one writes them with what pg_settings shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# PostgreSQL's units (postgresql.conf, "Parameter names and values") in bytes and in microseconds.
MEMORY = {"B": 1, "kB": 1 << 10, "8kB": 8 << 10, "MB": 1 << 20, "16MB": 16 << 20, "GB": 1 << 30, "TB": 1 << 40}
TIME = {"us": 1, "ms": 10**3, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}
QUANTITY = re.compile(r"([+-]?[0-9.]+)\s*([A-Za-z]*)")
TRUE, FALSE = ("on", "true", "yes", "1"), ("off", "false", "no", "0")


def as_text(value: Any) -> str:
    """Return a value of the inventory as postgresql.conf has it, without quotes."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def differing(
    wanted: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], pending: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Return what of ``wanted`` the server does not run with, and what else of its files waits for a restart.

    ``rows`` are those of pg_settings (``name``, ``setting``, ``unit``, ``vartype``, ``context``, ``pending_restart``,
    ``source``). ``pending`` are those with pending_restart, ``wanted`` added: so is a setting that is not ours any
    more, and that only a restart takes back. Each entry has ``name``, ``wanted``, ``live``, ``restart`` (whether only
    a restart applies it), ``source``, where the live value is from, and ``setting``, the live value in the setting's
    own unit.
    """
    others = [
        {
            "name": row["name"],
            "wanted": row["wanted"],
            "live": _shown(row),
            "restart": True,
            "source": row.get("source") or "",
            "setting": row["setting"],
        }
        for row in pending
        if row["name"] not in wanted
    ]
    return [*_differences(wanted, {row["name"]: row for row in rows}), *others]


def _shown(row: Mapping[str, Any]) -> str:
    return str(row["setting"]) + (f" × {row['unit']}" if row.get("unit") else "")


def _differences(wanted: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for name, value in wanted.items():
        text, row = as_text(value), rows.get(name)
        if row is None:
            # A setting of a library that the server has not loaded yet.
            live, setting = "unknown to it", None
            yield {"name": name, "wanted": text, "live": live, "restart": True, "source": "", "setting": setting}
        elif not equal(text, row):
            restart = bool(row["pending_restart"]) or row["context"] == "postmaster"
            live, source, setting = _shown(row), row.get("source") or "", row["setting"]
            yield {"name": name, "wanted": text, "live": live, "restart": restart, "source": source, "setting": setting}


def equal(text: str, row: Mapping[str, Any]) -> bool:
    """Say whether ``text`` means what a row of pg_settings shows."""
    live, kind = str(row["setting"]), row["vartype"]
    if kind == "bool":
        return _boolean(text) == _boolean(live)
    if kind in ("integer", "real"):
        quantity = _quantity(text, row.get("unit"))
        return quantity is not None and abs(quantity - float(live)) <= 0.5 * (kind == "integer")
    if kind == "enum":
        same = _boolean(text)
        return text.lower() == live.lower() or (same is not None and same == _boolean(live))
    return _words(text) == _words(live)


def _boolean(text: str) -> bool | None:
    lower = text.strip().lower()
    return True if lower in TRUE else False if lower in FALSE else None


def _quantity(text: str, unit: str | None) -> float | None:
    """Return ``text`` as a number of the setting's own unit, None when it is none."""
    match = QUANTITY.fullmatch(text.strip())
    if match is None:
        return None
    number, given = float(match[1]), match[2]
    if not given:
        return number
    for factors in (MEMORY, TIME):
        if given in factors and unit in factors:
            return number * factors[given] / factors[unit]
    return None


def _words(text: str) -> str:
    # Lists of names are shown with a blank after the comma.
    return re.sub(r"\s*,\s*", ",", text.strip())
