# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory each exporter of a host's metrics may use."""

from __future__ import annotations

from .budget import EXPORTERS_MB, exporters_mb
from .sheet import Sheet
from .types import HostWorkload, MetricsPlan


def plan_metrics(workload: HostWorkload, sheet: Sheet) -> MetricsPlan:
    """Return the limits of the exporters that watch ``workload`` (MiB), which the budget has counted."""
    limits = exporters_mb(workload)
    for name in EXPORTERS_MB:
        why = "about twice what it was seen to use" if name in limits else "not on this host"
        sheet.note(f"metrics.{name}_memory_max_mb", limits.get(name), why)
    return MetricsPlan(
        node_memory_max_mb=limits["node"],
        nginx_memory_max_mb=limits.get("nginx"),
        redis_memory_max_mb=limits.get("redis"),
        postgres_memory_max_mb=limits.get("postgres"),
        mysql_memory_max_mb=limits.get("mysql"),
        apps_memory_max_mb=limits.get("apps"),
    )
