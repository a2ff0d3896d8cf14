# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis' numbers on known machines."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.errors import SizingError
from unit.module_utils.sizing.machines import machine, planned


def test_saving_in_the_background_fits_into_its_part() -> None:
    plan = planned(machine(1024, 2.0), {"name": "a"}, services=("nginx", "redis"))
    line = next(line.mb for line in plan.memory if line.consumer == "redis")
    assert 2 * plan.services["redis"].maxmemory_mb < line
    assert plan.services["redis"].maxmemory_mb > line / 3


def test_more_threads_only_on_a_host_of_its_own_with_cores_to_spare() -> None:
    def threads(capacity: float, *apps: dict[str, str]) -> int:
        count: int = planned(machine(8192, capacity), *apps, services=("redis",)).services["redis"].io_threads
        return count

    assert (threads(2.0), threads(4.0), threads(8.0), threads(64.0)) == (1, 3, 7, 8)
    assert threads(8.0, {"name": "a"}) == 1


def test_large_pages_and_always_on_huge_pages_are_warned_about() -> None:
    pi = machine(8000, 4.0, page_size=16384)
    pi = dataclasses.replace(pi, memory=dataclasses.replace(pi.memory, thp="always"))
    warnings = planned(pi, services=("redis",)).warnings
    assert any("pages of 16 KiB" in text for text in warnings)
    assert any("transparent huge pages are always on" in text for text in warnings)
    assert planned(pi, {"name": "a"}).warnings == ()


def test_a_given_maxmemory_without_room_to_save_is_warned_about() -> None:
    plan = planned(machine(2048, 2.0), services=("redis",), overrides={"redis.maxmemory_mb": 1500})
    assert any(text.startswith("redis: maxmemory 1500 MB can take") for text in plan.warnings)


def test_a_cache_holds_more_because_it_is_not_saved() -> None:
    plan = planned(machine(1024, 2.0), services=("redis",), redis_use="cache")
    line = next(line.mb for line in plan.memory if line.consumer == "redis")
    redis = plan.services["redis"]
    assert redis.maxmemory_mb / 0.8 + 8 + redis.maxclients * 20 / 1024 <= line
    assert redis.maxmemory_mb > line / 2
    plan = planned(machine(2048, 2.0), services=("redis",), redis_use="cache", overrides={"redis.maxmemory_mb": 1500})
    assert any("MB when it is fragmented" in text for text in plan.warnings)


def test_another_use_is_refused() -> None:
    with pytest.raises(SizingError, match="redis_use: 'queue' is not one of cache, store"):
        planned(machine(1024, 2.0), services=("redis",), redis_use="queue")


def test_clients_that_leave_no_room_for_data_are_warned_about() -> None:
    plan = planned(machine(512, 1.0), services=("redis",), overrides={"redis.maxclients": 20_000})
    assert any(text.startswith("redis: 20000 clients can take 391 of its") for text in plan.warnings)
