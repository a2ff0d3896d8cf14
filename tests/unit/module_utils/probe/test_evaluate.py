# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.evaluate import (
    excerpt,
    judge,
    judge_load,
    percentile,
    summarize,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.parse import parse_checks, parse_load
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.types import Answer, CheckResult, Failure
from hypothesis import given
from hypothesis import strategies as st


def verdict(check: dict[str, Any], body: Any = b"", **answer: Any) -> CheckResult:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge(parse_checks([check])[0], Answer(**{"status": 200, "body": content, **answer}))


@pytest.mark.parametrize(
    ("wanted", "came", "passed"), [(200, 200, True), (200, 201, False), ([301, 302], 302, True), (404, 404, True)]
)
def test_status(wanted: Any, came: int, passed: bool) -> None:
    assert verdict({"status": wanted}, status=came).passed is passed


def test_a_passed_check_tells_all_and_a_failed_one_only_what_failed() -> None:
    check = {"contains": "ok", "max_seconds": 1}
    good = verdict(check, b"ok", seconds=0.25)
    assert (good.wanted, good.got) == (
        "status 200; a body with 'ok'; at most 1 s",
        "status 200; the body has it; 0.250 s",
    )
    assert (good.body, good.hint, good.seconds) == ("", "", 0.25)
    bad = verdict(check, b"ko", seconds=0.25)
    assert (bad.wanted, bad.got, bad.body) == ("a body with 'ok'", "a body of 2 bytes without it", "ko")
    assert "release" in bad.hint


DOCUMENT = {
    "status": "ok",
    "count": 1,
    "ready": True,
    "none": None,
    "ratio": 1.0,
    "videos": [{"id": "v1"}, {"id": "v2"}],
    "a.b": "dotted",
    "config": {"model": "gpt", "deep": {"x": [1, 2]}},
}


@pytest.mark.parametrize(
    ("path", "rule", "passed"),
    [
        ("status", "ok", True),
        ("status", "OK", False),
        ("count", 1, True),
        ("count", "1", False),
        ("count", True, False),
        ("ratio", 1, True),
        ("ready", True, True),
        ("ready", 1, False),
        ("none", None, True),
        ("missing", None, False),
        ("videos.1.id", "v2", True),
        ("videos.2.id", "v3", False),
        ("videos.-1.id", "v2", False),
        ("videos.id", "v1", False),
        ("status.length", 2, False),
        (r"a\.b", "dotted", True),
        ("config.deep.x", [1, 2], True),
        ("config.deep.x", [1, True], False),
        ("config.deep.x", [1], False),
        ("config", {"equals": {"model": "gpt", "deep": {"x": [1, 2]}}}, True),
        ("config", {"equals": {"model": "gpt"}}, False),
        ("config.model", {"exists": True}, True),
        ("none", {"exists": True}, True),
        ("config.key", {"exists": True}, False),
        ("config.key", {"exists": False}, True),
        ("config.model", {"exists": False}, False),
        ("config.model", {"matches": "^g"}, True),
        ("config.model", {"matches": "^p"}, False),
        ("count", {"matches": "^1$"}, True),
        ("missing", {"matches": ".*"}, False),
        ("videos", {"length": 2}, True),
        ("videos", {"length": 3}, False),
        ("count", {"length": 1}, False),
        (".", {"length": 8}, True),
    ],
)
def test_json(path: str, rule: Any, passed: bool) -> None:
    assert verdict({"expect_json": {path: rule}}, DOCUMENT).passed is passed


def test_what_json_said() -> None:
    result = verdict({"expect_json": {"status": "on", "x": 1, "videos": {"length": 3}}}, DOCUMENT)
    assert result.wanted == 'status = "on"; x = 1; videos with 3 entries'
    assert result.got == 'status = "ok"; no x; videos with 2 entries'


@pytest.mark.parametrize(("body", "got"), [(b"<html>", "a body that is not JSON"), (b"", "an empty body")])
def test_a_body_that_is_not_json(body: bytes, got: str) -> None:
    assert verdict({"expect_json": {"a": 1}}, body).got == got


def test_headers_are_found_whatever_their_case() -> None:
    check = {"expect_headers": {"X-Frame-Options": "^DENY$"}}
    assert verdict(check, headers={"x-frame-options": "DENY"}).passed
    wrong = verdict(check, headers={"x-frame-options": "SAMEORIGIN"})
    assert (wrong.passed, wrong.got) == (False, "X-Frame-Options: SAMEORIGIN")
    assert verdict(check).got == "no header X-Frame-Options"


def test_too_slow() -> None:
    assert verdict({"max_seconds": 0.5}, seconds=0.5).passed
    assert verdict({"max_seconds": 0.5}, seconds=0.501).got == "0.501 s"


def test_no_answer_is_one_failure_with_its_reason() -> None:
    result = verdict(
        {"contains": "x", "max_seconds": 1}, status=0, failure=Failure("refused", "connection to 127.0.0.1:80 refused")
    )
    assert (result.passed, result.wanted, result.got) == (False, "status 200", "connection to 127.0.0.1:80 refused")
    assert "nothing listens" in result.hint


@pytest.mark.parametrize(
    ("status", "words"),
    [(502, "systemctl list-units"), (504, "too long"), (404, "host name"), (500, "traceback"), (418, "journalctl")],
)
def test_each_status_has_a_hint(status: int, words: str) -> None:
    assert words in verdict({}, status=status).hint


def test_a_redirect_names_its_place() -> None:
    assert "https://a.test/login" in verdict({}, status=302, headers={"location": "https://a.test/login"}).hint


def test_the_excerpt_is_one_short_line() -> None:
    assert excerpt(b"<html>\n  <p>" + b"x" * 500) == "<html> <p>" + "x" * 190
    assert excerpt("ñ".encode() * 300) == "ñ" * 200
    assert excerpt(b"\xff") == "�"


def test_percentiles_by_nearest_rank() -> None:
    values = [15.0, 20.0, 35.0, 40.0, 50.0]
    assert [percentile(values, percent) for percent in (5, 30, 40, 50, 100)] == [15.0, 20.0, 20.0, 35.0, 50.0]
    assert percentile([], 50) is None


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300).map(sorted), st.sampled_from([1, 50, 95, 99, 100]))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], percent: int) -> None:
    found = percentile(values, percent)
    assert found is not None
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


LOAD = parse_load(
    {"requests": 4, "max_error_rate": 0.25, "max_p50_ms": 20, "max_p95_ms": 40, "min_requests_per_second": 1.5}
)


def answers(*milliseconds: float, wrong: int = 0) -> list[Answer]:
    good = [Answer(status=200, seconds=value / 1000) for value in milliseconds]
    return good + [Answer(status=502, seconds=9.0)] * wrong


def test_what_a_load_amounts_to() -> None:
    report = summarize(LOAD, answers(30, 10, 20, wrong=1), seconds=2.0)
    assert (report.requests, report.errors, report.error_rate, report.seconds) == (4, 1, 0.25, 2.0)
    assert (report.p50_ms, report.p95_ms, report.p99_ms, report.max_ms) == (20, 30, 30, 30)
    assert (report.requests_per_second, report.stopped_by) == (1.5, "requests")
    assert report.error_kinds == {"status 502": 1}
    assert all(result.passed for result in judge_load(LOAD, report))


def test_each_threshold_of_a_load_can_fail() -> None:
    report = summarize(LOAD, answers(60, 50, wrong=2), seconds=2.0)
    results = judge_load(LOAD, report)
    assert [(result.name, result.passed) for result in results] == [
        ("load GET /: error rate", False),
        ("load GET /: p50", False),
        ("load GET /: p95", False),
        ("load GET /: rate", False),
    ]
    assert results[0].got == "0.5 (2 of 4 requests; 2 × status 502)"
    assert results[1].got == "50 ms"
    assert all(result.hint for result in results)


def test_a_load_without_any_answer_fails() -> None:
    nothing = summarize(LOAD, [], seconds=30.0)
    assert nothing.stopped_by == "max_seconds"
    assert not any(result.passed for result in judge_load(LOAD, nothing))


def test_an_answer_that_was_cut_after_its_status_is_an_error() -> None:
    cut = Answer(status=200, failure=Failure("closed", "cut"))
    assert summarize(LOAD, [cut], seconds=1.0).error_kinds == {"cut": 1}


def test_a_load_of_errors_alone_has_no_latency() -> None:
    report = summarize(LOAD, [Answer(failure=Failure("refused", "refused"), seconds=0.001)] * 4, seconds=1.0)
    assert (report.p50_ms, report.max_ms, report.requests_per_second) == (None, None, 0.0)
    assert [result.got for result in judge_load(LOAD, report)][1] == "no right answer"
