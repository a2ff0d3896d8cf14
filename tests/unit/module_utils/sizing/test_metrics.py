# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the exporters of metrics cost a host."""

from __future__ import annotations

from unit.module_utils.sizing.machines import machine, planned

ALL = ("nginx", "redis", "postgres", "mysql")


def test_each_exporter_is_counted_where_its_service_is() -> None:
    small = planned(machine(2048, 2.0), services=("redis", "metrics"))
    line = next(line.mb for line in small.memory if line.consumer == "metrics")
    metrics = small.services["metrics"]
    assert line == metrics.node_memory_max_mb + metrics.redis_memory_max_mb
    assert (metrics.nginx_memory_max_mb, metrics.postgres_memory_max_mb, metrics.apps_memory_max_mb) == (None,) * 3
    assert small.reasons["memory.metrics"].startswith(f"{line}: the limits of its exporters: node ")
    assert planned(machine(2048, 2.0), {"name": "a"}, services=("metrics",)).services["metrics"].apps_memory_max_mb


def test_the_line_does_not_grow_with_the_host_and_takes_no_processor() -> None:
    lines = [
        next(line.mb for line in planned(machine(mb, 4.0), {"name": "a"}, services=(*ALL, "metrics")).memory
             if line.consumer == "metrics")
        for mb in (4096, 65536)
    ]  # fmt: skip
    assert lines[0] == lines[1]
    app = {"name": "a", "workload": "cpu", "framework": "flask"}
    without, with_it = (planned(machine(65536, 4.0), app, services=s) for s in (ALL, (*ALL, "metrics")))
    assert without.gunicorn["a"].workers == with_it.gunicorn["a"].workers
    assert "metrics" not in with_it.reasons["gunicorn.a.workers"]
