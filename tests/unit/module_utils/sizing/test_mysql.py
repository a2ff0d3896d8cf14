# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MySQL's and MariaDB's numbers on known machines."""

from __future__ import annotations

from unit.module_utils.sizing.machines import machine, planned


def test_half_to_most_of_its_memory_is_buffer_pool() -> None:
    plan = planned(machine(8192, 4.0), services=("mysql",))
    line = next(line.mb for line in plan.memory if line.consumer == "mysql")
    assert 0.25 <= plan.services["mysql"].innodb_buffer_pool_size_mb / line <= 0.75


def test_the_guides_eight_workers_with_twenty_connections_fit() -> None:
    app = {"name": "a", "framework": "flask", "mysql": {}, "pool_size": 20, "handover": "socket"}
    plan = planned(machine(7900, 4.0), app, services=("nginx", "mysql"), overrides={"gunicorn.a.workers": 8})
    assert plan.services["mysql"].max_connections == 8 * 20 + 5 + 3


def test_performance_schema_is_off_on_small_hosts() -> None:
    assert planned(machine(1024, 1.0), services=("mysql",)).services["mysql"].performance_schema is False
    assert planned(machine(8192, 1.0), services=("mysql",)).services["mysql"].performance_schema is True


def test_open_files_bound_the_table_cache() -> None:
    mysql = planned(machine(4096, 2.0, open_files=1024), services=("mysql",)).services["mysql"]
    assert 2 * mysql.table_open_cache + mysql.max_connections <= 1024


def test_a_given_buffer_pool_that_does_not_fit_is_warned_about() -> None:
    plan = planned(machine(2048, 2.0), services=("mysql",), overrides={"mysql.innodb_buffer_pool_size_mb": 1900})
    assert plan.services["mysql"].innodb_buffer_pool_size_mb == 1900
    assert any(text.startswith("mysql: a buffer pool of 1900 MB does not fit") for text in plan.warnings)
