# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's numbers on known machines."""

from __future__ import annotations

import dataclasses
from typing import Any

from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.types import Hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.types import NginxPlan
from unit.module_utils.sizing.machines import ORANGE_PI, machine, planned


def _nginx(*args: Any, **options: Any) -> NginxPlan:
    settings: NginxPlan = planned(*args, **options).services["nginx"]
    return settings


def test_processes_follow_capacity_and_not_the_number_of_cpus() -> None:
    assert _nginx(ORANGE_PI, {"name": "a"}).worker_processes == 6
    assert _nginx(machine(1024, 1.5, usable=8), {"name": "a"}).worker_processes == 2
    assert _nginx(machine(1024, 0.5, usable=8), {"name": "a"}).worker_processes == 1


def test_many_cpus_with_little_memory_get_fewer_processes() -> None:
    assert _nginx(machine(512, 64.0), {"name": "a"}).worker_processes == 1


def test_connections_count_both_sides_of_what_the_apps_can_hold() -> None:
    plan = planned(machine(16384, 4.0), {"name": "a", "workers": 2, "worker_connections": 1000})
    nginx = plan.services["nginx"]
    assert nginx.worker_processes * nginx.worker_connections >= 2 * 2 * 1000
    assert nginx.worker_rlimit_nofile == 2 * nginx.worker_connections


def test_a_proxy_without_apps_gets_connections_too() -> None:
    assert _nginx(machine(2048, 2.0)).worker_connections == 4096


def test_open_files_bound_the_connections() -> None:
    nginx = _nginx(machine(16384, 4.0, open_files=1024), {"name": "a"})
    assert (nginx.worker_connections, nginx.worker_rlimit_nofile) == (512, 1024)


def test_keepalive_stays_below_what_the_smallest_app_can_hold() -> None:
    app = {"name": "a", "framework": "flask", "workload": "cpu", "workers": 2}
    assert _nginx(machine(4096, 4.0), app).upstream_keepalive == 1
    assert _nginx(machine(4096, 4.0), {"name": "a"}).upstream_keepalive == 32


def test_overrides_are_taken_and_the_rest_follows() -> None:
    base = planned(machine(16384, 4.0), {"name": "a"}).services["nginx"]
    nginx = _nginx(machine(16384, 4.0), {"name": "a"}, overrides={"nginx.worker_processes": 1})
    assert nginx.worker_processes == 1
    assert nginx.worker_connections > base.worker_connections
    assert dataclasses.replace(nginx, worker_processes=4) != base


def test_given_numbers_that_do_not_fit_are_warned_about() -> None:
    def about(hardware: Hardware, **overrides: int) -> list[str]:
        given = {f"nginx.{name}": number for name, number in overrides.items()}
        warnings = planned(hardware, {"name": "a"}, overrides=given).warnings
        return [text for text in warnings if text.startswith("nginx: ")]

    assert about(machine(2048, 2.0)) == []
    (memory,) = about(machine(2048, 2.0), worker_processes=16, worker_connections=4096)
    # 4 + 16 × (5 + 4096 × 24 / 1024)
    assert "16 processes with 4096 connections each can take 1620 MB" in memory
    (files,) = about(machine(8192, 2.0, open_files=1024), worker_connections=2000)
    assert "2000 connections per process need more than the 1024 files" in files
