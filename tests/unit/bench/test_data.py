# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from bench.data_report import table
from bench.data_sides import mysql_worst_mb, mysqltuner_advice, pgtune_web, postgres_worst_mb

ADVICE = """
[!!] innodb_log_file_size (=1G) in the text above is not advice
-------- Recommendations ---------------------------------------------------------------------------
General recommendations:
    Reduce your overall MySQL memory footprint for system stability
Variables to adjust:
  *** Add RAM before increasing MySQL buffer variables ***
    skip-name-resolve=ON
    innodb_buffer_pool_size (>= 1.5G) if possible.
    table_definition_cache (400) > 512 or -1 (autosizing if supported)
    innodb_log_file_size should be (=32M) if possible, so InnoDB total log file size equals 25% of buffer pool size.
    performance_schema=ON
"""


def test_pgtune_for_two_gigabytes() -> None:
    """Its web page says so for 2 GB, 2 CPUs, SSD, "web application"."""
    settings = pgtune_web(2048, 2)
    assert settings["shared_buffers"] == "512MB" and settings["effective_cache_size"] == "1536MB"
    assert settings["maintenance_work_mem"] == "128MB" and settings["wal_buffers"] == "16384kB"
    assert settings["work_mem"] == "4096kB" and settings["max_connections"] == "200"
    assert "max_parallel_workers" not in settings


def test_pgtune_for_a_large_host_is_parallel() -> None:
    settings = pgtune_web(65536, 16)
    assert settings["max_parallel_workers_per_gather"] == "4" and settings["max_worker_processes"] == "16"
    assert settings["maintenance_work_mem"] == "4096MB" and settings["huge_pages"] == "try"


def test_only_what_mysqltuner_wants_adjusted_is_taken() -> None:
    advice = mysqltuner_advice(ADVICE)
    assert advice["skip_name_resolve"] == advice["performance_schema"] == "ON"
    assert int(advice["innodb_buffer_pool_size"]) >= 1.5 * 1024**3
    assert int(advice["innodb_log_file_size"]) >= 32 * 1024**2
    assert "table_open_cache" not in advice


def test_what_settings_allow_adds_up() -> None:
    settings = {
        "shared_buffers": 512.0,
        "work_mem": 4.0,
        "maintenance_work_mem": 128.0,
        "autovacuum_work_mem": -1.0,
        "autovacuum_max_workers": 3.0,
        "max_connections": 200.0,
    }
    assert postgres_worst_mb(settings) == 512 + 200 * (4 + 1 + 8) + 128 + 3 * 128 + 16
    mb = str(1024**2)
    variables = {
        "innodb_buffer_pool_size": mb,
        "sort_buffer_size": mb,
        "tmp_table_size": mb,
        "max_heap_table_size": "0",
        "max_connections": "30",
        "aria_pagecache_buffer_size": mb,
    }
    assert mysql_worst_mb(variables) == 32


def side(rate: float, held: int, worst: float | None) -> dict[str, object]:
    return {"runs": [{"load": rate}, {"load": rate * 2}, {"load": rate}], "held_mb": [held], "worst_mb": worst}


def test_ours_is_compared_with_the_better_of_the_others_round_by_round() -> None:
    sides = {"defaults": side(100, 90, 500.0), "PGTune": side(200, 700, None), "ours": side(220, 80, 90.0)}
    lines = "\n".join(table({"postgres": {"sides": sides, "budget_mb": 120}}))
    assert "| load | 100 | 200 | 220 | 1.10 (1.10–1.10) |" in lines
    assert "| postgres, ours | 80 | 90 | 120 |" in lines and "| postgres, PGTune | 700 | no bound |  |" in lines


@pytest.mark.parametrize(("second", "said"), [(30.0, "15.0"), (60.0, "30.0")])
def test_the_second_deploy_is_told_in_pings(second: float, said: str) -> None:
    lines = table({"deploy": {"ping": [2.0, 1.9, 9.0], "second deploy": [second]}})
    assert any(f"| {said} | ≤ 20 |" in line for line in lines)


def test_each_phase_has_its_factor() -> None:
    steps = {
        name: {"requests_per_second": [rate], "p95_ms": [9.0], "workers": 1}
        for name, rate in {"before": 20.0, "indexes": 100.0}.items()
    }
    assert "| indexes | 100 | 5.0 | 9 ms | 1 |" in table({"story": steps})
