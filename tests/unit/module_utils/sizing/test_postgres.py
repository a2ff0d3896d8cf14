# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's numbers on known machines."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.errors import SizingError
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.types import Plan, PostgresPlan
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


def test_buffers_hold_an_index_of_pgvector_on_a_small_host_with_everything() -> None:
    def beside(*extensions: str) -> Plan:
        app = {"name": "a", "postgres": {"extensions": list(extensions)}, "redis": {}, "mysql": {}}
        return planned(machine(2048, 2.0), app, services=("nginx", "redis", "postgres", "mysql"))

    without, vector = beside(), beside("vector")
    # 100,000 vectors of 384 dimensions: an index of 195 MB.
    assert vector.services["postgres"].shared_buffers_mb >= 224
    assert without.services["postgres"].shared_buffers_mb >= 96
    assert vector.gunicorn["a"].workers == without.gunicorn["a"].workers
    search = {"name": "a", "postgres": {"extensions": ["vector"]}}
    # The documentation's reference row.
    alone = planned(machine(1990, 2.0), search, services=("nginx", "postgres")).services["postgres"]
    assert (alone.shared_buffers_mb, alone.max_connections) == (392, 62)
    assert "57% of" in vector.reasons["postgres.shared_buffers_mb"]
    assert f"60/{10 + 3 + 15 + 60 + 35 + 40} of" in vector.reasons["memory.postgres"]


def test_an_app_on_another_host_may_search_with_pgvector() -> None:
    with_vectors, without = (_alone(4096, 2.0, remote_vector=vector) for vector in (True, False))
    assert with_vectors.shared_buffers_mb > 1.5 * without.shared_buffers_mb
    assert with_vectors.max_connections == without.max_connections


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


def test_given_maintenance_memory_that_does_not_fit_is_warned_about() -> None:
    def about(**overrides: int) -> list[str]:
        given = {f"postgres.{name}": number for name, number in overrides.items()}
        warnings = planned(machine(4096, 2.0), services=("postgres",), overrides=given).warnings
        return [text for text in warnings if text.startswith("postgres: maintenance_work_mem")]

    assert about() == []
    assert "maintenance_work_mem of 2000 MB and 3 autovacuum workers" in about(maintenance_work_mem_mb=2000)[0]
    assert "20 autovacuum workers" in about(autovacuum_max_workers=20)[0]


def test_every_number_of_a_reason_is_in_it() -> None:
    plan = planned(machine(4096, 2.0), services=("postgres",))
    line = next(line.mb for line in plan.memory if line.consumer == "postgres")
    postgres = plan.services["postgres"]
    assert f"40% of ({line} - 160) MB" in plan.reasons["postgres.shared_buffers_mb"]
    assert postgres.shared_buffers_mb == int((line - 160) * 0.4) // 8 * 8
    assert f"half of a twelfth of {line} MB" in plan.reasons["postgres.maintenance_work_mem_mb"]
    assert postgres.maintenance_work_mem_mb == line // 12 // 2


def test_pools_of_pgbouncer_stay_within_few_connections_that_were_given() -> None:
    def bouncer(connections: int, **overrides: int) -> tuple[int, int]:
        given = {"postgres.max_connections": connections}
        given |= {f"pgbouncer.{name}": number for name, number in overrides.items()}
        plan = planned(machine(4096, 2.0), services=("postgres", "pgbouncer"), overrides=given)
        pools = plan.services["pgbouncer"]
        assert pools.server_connections + 8 <= connections
        return pools.default_pool_size, pools.reserve_pool_size

    assert [bouncer(connections) for connections in (9, 10, 12, 100)] == [(1, 0), (1, 1), (1, 3), (5, 3)]
    with pytest.raises(SizingError, match=r"12 leave 4 for pgbouncer, whose pools may open 1 databases × \(20 \+ 0\)"):
        bouncer(12, default_pool_size=20)


def test_clients_of_pgbouncer_that_do_not_fit_are_warned_about() -> None:
    given = {"pgbouncer.max_client_conn": 50_000}
    plan = planned(machine(4096, 2.0), services=("postgres", "pgbouncer"), overrides=given)
    assert any("pgbouncer: 50000 clients can take 496 MB" in text for text in plan.warnings)
