# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's numbers on known machines."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.types import PostgresPlan
from unit.module_utils.sizing.machines import machine, planned


def _alone(memory_mb: int, capacity: float, **options: Any) -> PostgresPlan:
    settings: PostgresPlan = planned(machine(memory_mb, capacity), services=("postgres",), **options).services[
        "postgres"
    ]
    return settings


def test_a_host_of_its_own_gives_a_quarter_to_the_buffers() -> None:
    postgres = _alone(16384, 8.0)
    assert 0.20 <= postgres.shared_buffers_mb / 16384 <= 0.26
    assert postgres.effective_cache_size_mb > 0.5 * 16384
    assert postgres.max_connections == 100


def test_a_small_host_has_fewer_connections_rather_than_a_floor_of_work_memory() -> None:
    postgres = _alone(512, 1.0)
    # The usual floor of 4 MB for 200 connections would be 800 MB here.
    assert postgres.max_connections * 2 * postgres.work_mem_kb / 1024 < 200
    assert 25 <= postgres.max_connections < 100


def test_more_connections_leave_less_work_memory_for_each() -> None:
    few, many = (_alone(4096, 2.0, overrides={"postgres.max_connections": count}) for count in (50, 150))
    assert few.work_mem_kb > 2 * many.work_mem_kb


def test_given_connections_that_do_not_fit_are_warned_about() -> None:
    plan = planned(machine(1024, 1.0), services=("postgres",), overrides={"postgres.max_connections": 500})
    assert any(text.startswith("postgres: 500 connections with 64 kB of work_mem each") for text in plan.warnings)


@pytest.mark.parametrize(
    ("disk", "cost", "concurrency"),
    [("nvme", 1.1, 200), ("ssd", 1.1, 200), ("hdd", 4.0, 2), ("sd", 2.0, 2), ("emmc", 1.5, 16), (None, 1.5, 16)],
)
def test_costs_follow_the_disk(disk: str | None, cost: float, concurrency: int) -> None:
    postgres = planned(machine(4096, 2.0, disk=disk), services=("postgres",)).services["postgres"]
    assert (postgres.random_page_cost, postgres.effective_io_concurrency) == (cost, concurrency)


def test_parallel_queries_follow_its_share_of_the_processors() -> None:
    assert _alone(16384, 1.0).max_parallel_workers == 0
    assert _alone(16384, 8.0).max_parallel_workers == 8
    assert _alone(16384, 8.0).max_parallel_workers_per_gather == 4
    beside = planned(machine(16384, 8.0), {"name": "a", "postgres": {}}, services=("nginx", "postgres"))
    assert beside.services["postgres"].max_parallel_workers == 2


def test_huge_pages_from_two_gigabytes_of_buffers_on() -> None:
    assert _alone(4096, 2.0).huge_pages == "off"
    assert _alone(16384, 2.0).huge_pages == "try"
    assert _alone(4096, 2.0, overrides={"postgres.huge_pages": "on"}).huge_pages == "on"
