# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that counts for node-exporter: each line once, whatever happens to the log meanwhile."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "metrics" / "files" / "app_metrics.py"
SPEC = importlib.util.spec_from_file_location("app_metrics", PROGRAM)
assert SPEC is not None and SPEC.loader is not None
app_metrics: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(app_metrics)

APPS = {"shop": {"leave_out": ["/chat"]}, "blog": {}}


def line(path: str = "/", status: int = 200, seconds: float = 0.03, upstream: str = "unix:/run/shop/live.sock") -> str:
    return (
        '{"time":"2026-11-24T20:00:00+00:00","client":"10.0.0.1","host":"shop.example.com","method":"GET",'
        f'"path":"{path}","status":{status},"bytes":12,"seconds":{seconds:.3f},"upstream":"{upstream}",'
        '"upstream_seconds":"0.030"}\n'
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_text(line() * 3, encoding="utf-8")
    return path


def read(log: Path, state: dict[str, Any]) -> dict[str, Any]:
    app_metrics.read_log(log, state, APPS)
    counts: dict[str, Any] = app_metrics.counts_of(state, "shop")
    return counts


def begun(log: Path) -> dict[str, Any]:
    state: dict[str, Any] = app_metrics.read_state(log.with_name("none"), 1000)
    read(log, state)
    return state


def add(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as handle:
        handle.write(text)


def test_the_first_run_begins_at_the_end_of_the_log(log: Path) -> None:
    state = begun(log)
    assert read(log, state)["status"] == {}
    add(log, line(status=200) + line(status=503))
    assert read(log, state)["status"] == {"200": 1, "503": 1}
    assert read(log, state)["status"] == {"200": 1, "503": 1}


def test_a_line_written_half_is_counted_once_it_is_whole(log: Path) -> None:
    state, text = begun(log), line()
    add(log, text[:60])
    assert read(log, state)["status"] == {}
    add(log, text[60:])
    assert read(log, state)["status"] == {"200": 1}


def test_a_log_that_was_put_aside_is_read_to_its_end(log: Path) -> None:
    state = begun(log)
    add(log, line())
    log.rename(log.with_name("access.log.1"))
    log.write_text(line() * 2, encoding="utf-8")
    assert read(log, state)["status"] == {"200": 3}


def test_a_log_that_was_emptied_is_read_from_its_beginning(log: Path) -> None:
    state = begun(log)
    log.write_text(line(), encoding="utf-8")
    assert read(log, state)["status"] == {"200": 1}


def test_chunks_do_not_cut_lines(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_metrics, "CHUNK", 500)
    state = begun(log)
    add(log, line() * 40)
    assert read(log, state)["status"] == {"200": 40}


def test_only_apps_of_this_host_are_counted_and_the_last_upstream_counts(log: Path) -> None:
    state = begun(log)
    add(log, line(upstream="10.0.0.5:80") + line(upstream="-") + line(upstream="unix:/run/other/live.sock"))
    add(log, line(upstream="unix:/run/blog/live.sock") + line(upstream="10.0.0.5:80, unix:/run/shop/live.sock"))
    assert read(log, state)["status"] == {"200": 1}
    assert app_metrics.counts_of(state, "blog")["status"] == {"200": 1}


def test_paths_that_are_slow_by_nature_count_as_requests_alone(log: Path) -> None:
    state = begun(log)
    add(log, line("/chat", seconds=9) + line("/chat/7", seconds=9) + line("/chatter", seconds=0.04))
    add(log, line('/a\\"b', seconds=0.7))
    counts = read(log, state)
    assert counts["status"] == {"200": 4}
    assert (sum(counts["buckets"]), counts["seconds"]) == (2, pytest.approx(0.74))


def test_buckets_add_up_and_name_their_bound(log: Path, tmp_path: Path) -> None:
    state = begun(log)
    add(log, line(seconds=0.05) + line(seconds=0.051) + line(seconds=31))
    read(log, state)
    text = app_metrics.exposition(state, APPS, tmp_path)
    assert 'webstack_app_request_seconds_bucket{app="shop",le="0.05"} 1\n' in text
    assert 'webstack_app_request_seconds_bucket{app="shop",le="0.1"} 2\n' in text
    assert 'webstack_app_request_seconds_bucket{app="shop",le="+Inf"} 3\n' in text
    assert 'webstack_app_request_seconds_count{app="shop"} 3\n' in text
    assert 'webstack_app_worker_failures_total{app="blog"} 0\n' in text


def test_memory_is_read_in_both_hierarchies(tmp_path: Path) -> None:
    new, old = tmp_path / "new" / "shop.slice", tmp_path / "old" / "memory" / "shop.slice"
    for place, names in (
        (new, ("memory.current", "memory.max", "inactive_file")),
        (old, ("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file")),
    ):
        place.mkdir(parents=True)
        (place / names[0]).write_text("1000\n", encoding="ascii")
        (place / names[1]).write_text("4000\n", encoding="ascii")
        (place / "memory.stat").write_text(f"anon 700\n{names[2]} 300\n", encoding="ascii")
    assert app_metrics.memory_of("shop", tmp_path / "new") == (700, 4000)
    assert app_metrics.memory_of("shop", tmp_path / "old") == (700, 4000)
    (new / "memory.max").write_text("max\n", encoding="ascii")
    assert app_metrics.memory_of("shop", tmp_path / "new") == (700, None)
    assert app_metrics.memory_of("blog", tmp_path / "new") == (None, None)
