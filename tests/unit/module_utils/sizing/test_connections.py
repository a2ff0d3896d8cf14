# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of the apps against what the databases admit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing import mysql, postgres
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.errors import SizingError
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.sheet import Sheet
from unit.module_utils.sizing.machines import machine, planned

APP: dict[str, Any] = {"name": "a", "postgres": {}}
HERE = ("nginx", "postgres")


def test_an_app_without_a_database_has_no_pool() -> None:
    app = planned(machine(8192, 2.0), {"name": "a"}).gunicorn["a"]
    assert (app.pool_size, app.pool_max_overflow, app.connections) == (None, None, 0)


@pytest.mark.parametrize(
    ("app", "pool"),
    [
        ({}, (5, 5)),
        ({"framework": "flask"}, (4, 0)),  # one for each thread
        ({"framework": "flask", "workload": "cpu"}, (1, 0)),  # sync
        ({"pool_size": 20}, (20, 0)),
        ({"pool_size": 20, "pool_max_overflow": 3}, (20, 3)),
        ({"pool_max_overflow": 1}, (5, 1)),
    ],
)
def test_a_pool_follows_the_worker(app: dict[str, Any], pool: tuple[int, int]) -> None:
    plan = planned(machine(8192, 2.0), {**APP, **app}).gunicorn["a"]
    assert (plan.pool_size, plan.pool_max_overflow) == pool


def test_both_generations_are_counted() -> None:
    plan = planned(machine(8192, 2.0), {**APP, "workload": "io"}, services=HERE)
    assert plan.gunicorn["a"].handover == "side_by_side"
    assert plan.gunicorn["a"].connections == 2 * 2 * (5 + 5)
    assert plan.services["postgres"].max_connections == 40 + 5 + 3


def test_pools_shrink_to_what_a_small_database_admits() -> None:
    plan = planned(
        machine(640, 1.0), {**APP, "framework": "flask", "workload": "llm", "worker_class": "gthread"}, services=HERE
    )
    app = plan.gunicorn["a"]
    assert app.threads == 32
    assert app.pool_size is not None and 1 <= app.pool_size < 32
    assert app.connections + 8 <= plan.services["postgres"].max_connections
    assert "the database admits fewer" in plan.reasons["gunicorn.a.pool_size"]


def test_given_pools_that_do_not_fit_are_refused_with_the_sum() -> None:
    with pytest.raises(SizingError, match=r"postgres: .* open at least 4 × 40 = 160 connections, but \d+ are left"):
        planned(machine(640, 1.0), {**APP, "pool_size": 40, "handover": "side_by_side"}, services=HERE)


def test_pgbouncer_takes_the_clients_and_opens_few_connections() -> None:
    app = {**APP, "workers": 16, "pool_size": 20}
    plan = planned(machine(16384, 4.0), app, services=(*HERE, "pgbouncer"))
    bouncer, postgres = plan.services["pgbouncer"], plan.services["postgres"]
    assert bouncer.max_client_conn >= plan.gunicorn["a"].connections == 640
    assert bouncer.server_connections == bouncer.default_pool_size + bouncer.reserve_pool_size == 9 + 3
    assert postgres.max_connections == 25


def test_a_given_max_connections_bounds_the_pools() -> None:
    plan = planned(
        machine(16384, 4.0), {**APP, "workers": 8}, services=HERE, overrides={"postgres.max_connections": 50}
    )
    assert plan.services["postgres"].max_connections == 50
    assert plan.gunicorn["a"].connections <= 50 - 8
    assert plan.gunicorn["a"].pool_size == 2


def test_clients_on_other_hosts_are_admitted_too() -> None:
    alone = planned(machine(4096, 2.0), services=("postgres",), remote_clients={"postgres": 120})
    assert alone.services["postgres"].max_connections == 128
    assert "120 from other hosts" in alone.reasons["postgres.max_connections"]


def test_more_clients_on_other_hosts_than_memory_holds_are_refused() -> None:
    with pytest.raises(
        SizingError, match=r"postgres: this host is too small for its clients: .* 5000 of apps on other"
    ):
        planned(machine(1024, 2.0), services=("postgres",), remote_clients={"postgres": 5000})


def test_workers_are_bounded_by_the_connections() -> None:
    plan = planned(
        machine(65536, 64.0), {**APP, "workload": "io"}, services=HERE, overrides={"postgres.max_connections": 48}
    )
    # 40 are left: one for each of 20 workers in two generations.
    assert plan.gunicorn["a"].workers == 20
    assert "one connection each in two generations" in plan.reasons["gunicorn.a.workers"]


def test_apps_that_share_a_database_are_bounded_together() -> None:
    apps = [{**APP, "name": name, "workload": "io"} for name in "ab"]
    plan = planned(machine(65536, 64.0), *apps, services=HERE, overrides={"postgres.max_connections": 48})
    assert [app.workers for app in plan.gunicorn.values()] == [10, 10]


@pytest.mark.parametrize(
    "most",
    [
        mysql.most_connections,
        lambda line_mb, sheet: postgres.most_connections(line_mb, False, sheet),
        lambda line_mb, sheet: postgres.most_connections(line_mb, True, sheet),
    ],
)
def test_more_memory_never_admits_fewer_connections(most: Callable[[int, Sheet], tuple[int, str]]) -> None:
    admitted = [most(line_mb, Sheet())[0] for line_mb in range(256, 40_000, 7)]
    assert admitted == sorted(admitted)
    assert admitted[-1] > admitted[0] >= 16
