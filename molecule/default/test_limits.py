# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test host is like a real one: systemd runs, limits are seen and are enforced."""

from __future__ import annotations

from testinfra.host import Host

# Megabytes and processors, as molecule.yml gives them to the hosts.
LIMITS = {"default": (2048, 1.5), "virgin": (1024, 1.0)}
HOG = "python3 -c 'bytearray(100 << 20)'"
RUN = "systemd-run --quiet --wait --collect"


def test_systemd_has_booted_without_failed_units(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"


def test_the_memory_limit_is_seen(host: Host) -> None:
    limit = host.check_output(
        "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true"
    )
    assert int(limit) == LIMITS[host.check_output("hostname")][0] << 20


def test_the_cpu_quota_is_seen(host: Host) -> None:
    files = "/sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us"
    quota, period = host.check_output(f"cat {files} 2>/dev/null || true").split()
    assert int(quota) / int(period) == LIMITS[host.check_output("hostname")][1]


def test_a_unit_knows_its_memory(host: Host) -> None:
    assert int(host.check_output("systemctl show --property MemoryCurrent --value dbus.service")) > 0


def test_a_unit_within_its_memory_limit_lives(host: Host) -> None:
    assert host.run(f"{RUN} -p MemoryMax=400M {HOG}").rc == 0


def test_a_unit_above_its_memory_limit_is_killed(host: Host) -> None:
    assert host.run(f"{RUN} -p MemoryMax=50M {HOG}").rc != 0
