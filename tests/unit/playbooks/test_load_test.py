# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a load test is judged. That Locust runs it is seen in molecule/aconex_rag."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).resolve().parents[3] / "playbooks" / "files" / "load_test.py"))
GOOD = {
    "requests": 1000,
    "failed": 10,
    "requests_per_second": 50.0,
    "kinds": {"Search": {"p95_ms": 500.0, "mean_ms": 90.0}, "Chat": {"p95_ms": 4000.0, "mean_ms": 900.0}},
}
WANTED = {"max_error_percent": 1, "max_p95_ms": 500, "kinds": {"Chat": {"max_p95_ms": 5000}}}


def problems(found: dict[str, Any] | None = None, wanted: dict[str, Any] | None = None) -> list[str]:
    return list(SCRIPT["problems"]({**GOOD, **(found or {})}, {**WANTED, **(wanted or {})}))


def test_what_is_at_its_thresholds_keeps_them() -> None:
    assert problems(wanted={"min_requests_per_second": 50}) == []


@pytest.mark.parametrize(
    ("found", "wanted", "said"),
    [
        ({"failed": 11}, {}, "11 of 1000 requests failed (1.10 %, max_error_percent is 1)"),
        ({}, {"max_p95_ms": 499}, "Search: p95_ms was 500, max_p95_ms is 499"),
        ({}, {"kinds": {"Chat": {"max_p95_ms": 3999}}}, "Chat: p95_ms was 4000, max_p95_ms is 3999"),
        ({}, {"kinds": {}, "max_p95_ms": 600}, "Chat: p95_ms was 4000, max_p95_ms is 600"),
        (
            {},
            {"kinds": {"Chat": {"max_mean_ms": 899, "max_p95_ms": 5000}}},
            "Chat: mean_ms was 900, max_mean_ms is 899",
        ),
        ({}, {"min_requests_per_second": 50.1}, "50.0 requests a second, min_requests_per_second is 50.1"),
        ({"requests": 0}, {}, "no request was made: does the locustfile have a task, and were there any users?"),
    ],
)
def test_what_is_beyond_one_of_them_is_said(found: dict[str, Any], wanted: dict[str, Any], said: str) -> None:
    assert problems(found, wanted) == [said]


def test_thresholds_for_what_never_came_are_a_mistake() -> None:
    found = list(SCRIPT["unknown_kinds"](GOOD, {"kinds": {"Serach": {"max_p95_ms": 1}}}))
    assert found == ["kinds.Serach: there was no such request; there were Search, Chat"]


def entry(name: str, method: str, milliseconds: int) -> SimpleNamespace:
    return SimpleNamespace(
        name=name,
        method=method,
        num_requests=4,
        num_failures=1,
        avg_response_time=milliseconds / 2,
        get_response_time_percentile=lambda part: milliseconds if part == 0.95 else 0,
    )


def test_kinds_of_one_name_are_told_apart_by_their_method() -> None:
    entries = {1: entry("Search", "POST", 80), 2: entry("Search", "GET", 40), 3: entry("Health", "GET", 20)}
    error = SimpleNamespace(occurrences=3, name="Search", error="status 429")
    total = SimpleNamespace(num_requests=12, num_failures=3, total_rps=1.26)
    found = SCRIPT["summary"](SimpleNamespace(entries=entries, errors={1: error}, total=total))
    assert {name: kind["p95_ms"] for name, kind in found["kinds"].items()} == {
        "Health": 20,
        "GET Search": 40,
        "POST Search": 80,
    }
    assert (found["requests"], found["failed"], found["requests_per_second"]) == (12, 3, 1.3)
    assert found["errors"] == ["3 x Search: status 429"]
