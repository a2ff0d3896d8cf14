# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.release.systemd import (
    UnitState,
    inherits_socket,
    processes_that_answered,
    readable,
    shorten,
    trim_tracebacks,
)


def test_a_logged_exception_shows_the_end_of_its_traceback() -> None:
    calls = [f'  File "{number}.py", line 1, in call' for number in range(40)]
    traceback = "\n".join(["Traceback (most recent call last):", *calls, "RuntimeError: no licence"])
    shown = readable(json.dumps({"level": "ERROR", "message": "Exception in worker process", "exception": traceback}))
    assert shown[0] == "ERROR: Exception in worker process"
    assert shown[-2:] == [calls[-1], "RuntimeError: no licence"]
    assert len(shown) < 10


def test_gunicorns_own_traceback_leaves_room_for_the_apps() -> None:
    calls = [line for number in range(30) for line in (f'  File "{number}.py"', "    run()", "    ~~~^^")]
    shown = trim_tracebacks(
        ["RuntimeError: no licence", "Traceback (most recent call last):", *calls, "HaltServer", "end"]
    )
    assert shown == [
        "RuntimeError: no licence",
        '  File "28.py"',
        "    run()",
        '  File "29.py"',
        "    run()",
        "HaltServer",
        "end",
    ]


def test_lines_that_belong_to_no_traceback_stay() -> None:
    assert trim_tracebacks(["one", "  indented", "two"]) == ["one", "  indented", "two"]
    assert trim_tracebacks(["Traceback (most recent call last):", "  File"]) == ["  File"]


@pytest.mark.parametrize("logger", ["gunicorn.access", "uvicorn.access"])
def test_requests_are_left_out(logger: str) -> None:
    assert readable(json.dumps({"logger": logger, "path": "/health", "message": "GET /health"})) == []


@pytest.mark.parametrize("line", ["no JSON", "", "17", '["message"]', '{"path": "/health", "status": "500"}'])
def test_any_other_line_stays_as_it_is(line: str) -> None:
    assert readable(line) == [line]


def test_a_long_line_keeps_its_start_and_its_end() -> None:
    shown = shorten("start" + "x" * 5000 + "end")
    assert shown.startswith("start") and shown.endswith("end") and len(shown) <= 400
    assert shorten("short") == "short"


@pytest.mark.parametrize(
    ("environment", "inherited"),
    [(b"HOME=/\0LISTEN_FDS=1\0LISTEN_PID=7\0", True), (b"HOME=/\0NOT_LISTEN_FDS=1\0", False), (None, False)],
)
def test_a_process_says_whether_its_socket_is_systemds(
    tmp_path: Path, environment: bytes | None, inherited: bool
) -> None:
    (tmp_path / "7").mkdir()
    if environment is not None:
        (tmp_path / "7" / "environ").write_bytes(environment)
    assert inherits_socket(UnitState("shop@r.service", "active", "running", 0, 7), tmp_path) is inherited


def access(pid: int, path: str) -> str:
    return json.dumps({"logger": "gunicorn.access", "pid": pid, "method": "GET", "path": path, "status": 200})


def test_who_answered_a_page_is_in_the_access_log() -> None:
    lines = [
        access(11, "/health"),
        access(12, "/search"),
        access(13, "/search"),
        access(13, "/"),
        json.dumps({"logger": "app", "pid": 14, "path": "/search"}),
        access(15, "/search")[:40],
        "Started aconex_rag@1.service",
    ]
    assert processes_that_answered(lines, {"/search"}) == {12, 13}
    assert processes_that_answered(lines, {"/", "/health"}) == {11, 13}
