# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done about an exporter, from what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.rightsize.webstack.plugins.module_utils.metrics.exporters import Exporter, Found, plan
from ansible_collections.rightsize.webstack.plugins.module_utils.metrics.host import Unit

DROP_IN = Path("/etc/systemd/system/prometheus-redis-exporter.service.d/webstack.conf")
TEXT = "[Service]\nExecStart=\nExecStart=@/usr/bin/prometheus-redis-exporter webstack-metrics-@DIGEST@ --x\n"


def exporter(**changes: Any) -> Exporter:
    files = [{"path": str(DROP_IN), "content": changes.pop("content", TEXT), "mode": "0644"}]
    return Exporter.of({
        "name": "redis", "unit": "prometheus-redis-exporter.service", "wanted": True, "files": files, "leaves": [],
        "socket": "/run/redis/redis-server.sock", "url": "http://127.0.0.1:9121/metrics", "up": "redis_up", **changes,
    })  # fmt: skip


def found(one: Exporter, **changes: Any) -> Found:
    """Return what is there when all is as ``one`` wants it, but for ``changes``."""
    unit = {"known": True, "active": "active", "enabled": True, "needs_reload": False, "argv": (one.mark, "--x")}
    files = changes.pop("files", dict(one.files))
    return Found(files, Unit(**{**unit, **changes}))


def test_what_is_as_wanted_is_left_alone() -> None:
    todo = plan(exporter(), found(exporter()))
    assert not (todo.stale or todo.enable or todo.restart or todo.remove or todo.differences)


def test_a_process_is_marked_with_its_files() -> None:
    one, other = exporter(), exporter(content=TEXT.replace("--x", "--y"))
    assert one.mark.startswith("webstack-metrics-") and one.mark != other.mark
    assert one.mark in one.files[DROP_IN][0]


def test_other_files_are_written_and_the_process_restarted() -> None:
    todo = plan(exporter(), found(exporter(), files={DROP_IN: ("old", 0o644)}))
    assert todo.stale == (DROP_IN,) and todo.restart
    assert plan(exporter(), found(exporter(), files={DROP_IN: (exporter().files[DROP_IN][0], 0o666)})).stale


def test_a_run_that_died_after_it_wrote_leaves_nothing_stale() -> None:
    todo = plan(exporter(), found(exporter(), argv=("webstack-metrics-000000000000",)))
    assert todo.restart and not todo.stale
    assert todo.differences == ("prometheus-redis-exporter.service runs with older files",)


def test_one_that_does_not_run_is_started_and_one_that_would_not_at_boot_enabled() -> None:
    todo = plan(exporter(), found(exporter(), active="failed", argv=(), enabled=False))
    assert todo.restart and todo.enable
    assert [line.split(".service ")[1] for line in todo.differences] == ["does not start at boot", "is failed"]


def test_what_is_not_wanted_goes_when_it_is_ours_alone() -> None:
    unwanted = exporter(wanted=False)
    assert plan(unwanted, found(unwanted)).remove
    assert not plan(unwanted, found(unwanted, files={DROP_IN: None})).remove


def test_a_timer_has_no_process_to_compare() -> None:
    timer = exporter(url="", unit="webstack-app-metrics.timer")
    assert not plan(timer, found(timer, argv=())).restart
