# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the data bench compares with: public tuners' answers, and what a server's settings may take at worst."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: The host of the bench, as tests/hosts/create.yml wants it, and in numbers.
MEMORY_MB, CPUS = 2048, 2
#: What a backend holds besides work memory, as sizing/postgres.py has it.
BACKEND_MB = 4.0
ADVICE = re.compile(r"^\s+([a-z][\w-]+)\s*(?:should be\s*)?\(?\s*(?:>=|>|=)\s*([\d.]+[KMG]?|ON|OFF)\b", re.MULTILINE)
SUFFIXES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def pgtune_web(memory_mb: int, cpus: int) -> dict[str, str]:
    """Return what PGTune (its web application, profile "web", SSD, database smaller than memory) says.

    Source: le0pard/pgtune, src/features/configuration/configurationSlice.js.
    """
    connections, buffers = 200, memory_mb // 4
    processes = cpus if cpus >= 4 else 8
    work_kb = (memory_mb - buffers) * 1024 / ((connections + processes) * 3) * 1.3
    settings = {
        "max_connections": str(connections),
        "shared_buffers": f"{buffers}MB",
        "effective_cache_size": f"{memory_mb * 3 // 4}MB",
        "maintenance_work_mem": f"{min(8192, memory_mb // 16)}MB",
        "checkpoint_completion_target": "0.9",
        # 3 % of the buffers, 16 MB at most, and what is nearly 16 MB is.
        "wal_buffers": f"{16384 if buffers * 1024 * 0.03 > 14336 else int(buffers * 1024 * 0.03)}kB",
        "default_statistics_target": "100",
        "random_page_cost": "1.1",
        "effective_io_concurrency": "200",
        "work_mem": f"{max(4096, int(work_kb))}kB",
        "huge_pages": "try" if buffers >= 2048 else "off",
        "min_wal_size": "1GB",
        "max_wal_size": "4GB",
        "jit": "off",
        "wal_compression": "lz4",
    }
    if cpus >= 4:
        settings |= {
            "max_worker_processes": str(cpus),
            "max_parallel_workers": str(cpus),
            "max_parallel_workers_per_gather": str(min(4, -(-cpus // 2))),
            "max_parallel_maintenance_workers": str(min(4, -(-cpus // 2))),
        }
    return settings


def mysqltuner_advice(output: str) -> dict[str, str]:
    """Return the variables that MySQLTuner wants to have adjusted, with the least that satisfies it."""
    _unused, _unused, advice = output.partition("Variables to adjust:")
    found = {}
    for name, value in ADVICE.findall(advice):
        number = re.fullmatch(r"([\d.]+)([KMG]?)", value)
        # "> 400" wants more than that.
        found[name.replace("-", "_")] = str(int(float(number[1]) * SUFFIXES[number[2]]) + 1) if number else value
    return found


def postgres_worst_mb(settings: Mapping[str, float]) -> float:
    """Return what PostgreSQL may take with ``settings`` (sizes in MB): the sum that its part of a plan is made of."""
    each = BACKEND_MB + settings["shared_buffers"] / 512 + 2 * settings["work_mem"]
    autovacuum = settings["autovacuum_work_mem"]
    vacuum = settings["maintenance_work_mem"] if autovacuum < 0 else autovacuum
    rest = settings["maintenance_work_mem"] + settings["autovacuum_max_workers"] * vacuum + 16
    return settings["shared_buffers"] + settings["max_connections"] * each + rest


def mysql_worst_mb(variables: Mapping[str, str]) -> float:
    """Return what MySQL may take: MySQLTuner's sum, without performance_schema."""

    def total(*names: str) -> int:
        return sum(int(variables.get(name, 0)) for name in names)

    server = total(
        "key_buffer_size",
        "innodb_buffer_pool_size",
        "innodb_log_buffer_size",
        "query_cache_size",
        "aria_pagecache_buffer_size",
    )
    each = total(
        "read_buffer_size",
        "read_rnd_buffer_size",
        "sort_buffer_size",
        "thread_stack",
        "join_buffer_size",
        "binlog_cache_size",
    )
    each += min(total("tmp_table_size"), total("max_heap_table_size"))
    return (server + each * total("max_connections")) / (1 << 20)
