# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a run, as the module's result and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .index_run import Outcome


def result(outcome: Outcome) -> dict[str, Any]:
    """Return the module's result."""
    queries = {
        name: {key: value for key, value in found.items() if key != "before_runs"}
        for name, found in outcome.queries.items()
    }
    return {
        "changed": outcome.changed,
        "statements": outcome.statements,
        "created": outcome.created,
        "removed": outcome.removed,
        "restored": outcome.restored,
        "satisfied": outcome.satisfied,
        "queries": queries,
        "indexes": outcome.indexes,
        "improved": [name for name, found in queries.items() if found["verdict"] == "improved"],
        "unused": [name for name, found in outcome.indexes.items() if queries and not found["used_by"]],
        "resumed": outcome.resumed,
        "skipped_tables": outcome.skipped_tables,
        "notes": outcome.notes,
        "report": lines(outcome),
        "diff": {"before": _definitions(outcome.before), "after": _definitions(outcome.after)},
    }


def _definitions(tables: Mapping[str, Mapping[str, str]]) -> str:
    return "".join(
        f"{table}: {definition}\n" for table in sorted(tables) for _name, definition in sorted(tables[table].items())
    )


def lines(outcome: Outcome) -> list[str]:
    """Return a few lines that say what was done and what it was good for."""
    told = [f"created   {text}" for text in outcome.created]
    told += [f"removed   {text}" for text in outcome.removed]
    told += [f"restored  {text}" for text in outcome.restored]
    told += [f"there     {found['index']}: {found['why']}" for found in outcome.satisfied]
    told += [_query_line(name, found) for name, found in outcome.queries.items()]
    told += [
        f"index     {name}: {_use(found, bool(outcome.queries))}"
        for name, found in outcome.indexes.items()
        if "used_by" in found
    ]
    return told + [f"note      {note}" for note in outcome.notes]


def _query_line(name: str, found: Mapping[str, Any]) -> str:
    before, after = found["before"], found["after"]
    goal = "" if found["met"] is None else f", wanted {found['max_ms']:g} ms: {'met' if found['met'] else 'MISSED'}"
    return (
        f"query     {name}: {found['verdict']}, median {before['median_ms']:g} -> {after['median_ms']:g} ms "
        f"(p95 {before['p95_ms']:g} -> {after['p95_ms']:g}), "
        f"rows read {before['rows_read']} -> {after['rows_read']}{goal}"
    )


def _use(found: Mapping[str, Any], measured: bool) -> str:
    size = "" if found.get("size_mb") is None else f", {found['size_mb']:g} MB"
    if not measured:
        return f"not measured, there were no queries{size}"
    if not found["used_by"]:
        return f"UNUSED by these queries{size}"
    helped = f"helped {', '.join(found['helped'])}" if found["helped"] else "helped none"
    return f"used by {', '.join(found['used_by'])}; {helped}{size}"
