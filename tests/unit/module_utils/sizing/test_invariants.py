# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold for every machine and every workload."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.types import Hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.errors import SizingError
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.plan import plan
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.types import HostWorkload, Plan
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from unit.module_utils.sizing.machines import machine, planned
from unit.module_utils.sizing.strategies import machines, workloads

EVENT_LOOPS = ("asgi", "uvicorn_worker", "gevent")


def examples(number: int) -> Callable[[Any], Any]:
    """Return the settings of one property; derandomized, so that every run sees the same examples."""
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    return settings(max_examples=number, deadline=None, derandomize=True, suppress_health_check=checks)


def _plan(hardware: Hardware, workload: HostWorkload) -> Plan:
    """Plan, or drop the example where the plan is refused for a reason that it states."""
    try:
        return plan(hardware, workload)
    except SizingError as error:
        assert any(
            words in str(error)
            for words in (
                "too small",
                "webstack_reserves",
                "must be above",
                "must hold one worker",
                "left for them",
                "for pgbouncer, whose pools",
            )
        ), error
        assume(False)
        raise


def budget_adds_up(hardware: Hardware, _workload: HostWorkload, result: Plan) -> None:
    """The lines add up to the usable memory and none is negative."""
    assert sum(line.mb for line in result.memory) == hardware.memory.usable_mb
    assert all(line.mb >= 0 for line in result.memory)


def slices_hold_their_workers(_hardware: Hardware, workload: HostWorkload, result: Plan) -> None:
    """All generations fit into the slice, or the plan says that the user asked for more."""
    budget = {line.consumer: line.mb for line in result.memory}
    for asked in workload.apps:
        app = result.gunicorn[asked.name]
        assert app.memory_max_mb == budget[f"gunicorn {asked.name}"]
        generations = 2 if app.handover == "side_by_side" else 1
        if generations * app.workers * app.memory_per_worker_mb >= app.memory_max_mb:
            assert (
                asked.handover == "side_by_side"
                or asked.keep_warm is True
                or f"gunicorn.{asked.name}.workers" in workload.given
            )
            assert any(text.startswith(f"{asked.name}: ") and "killed" in text for text in result.warnings)


def services_stay_in_their_lines(_hardware: Hardware, workload: HostWorkload, result: Plan) -> None:
    """The worst case of each service, summed up here anew, fits into its line of the budget.

    Where it does not, it is for a number that the user gave, and the plan says so.
    """
    line = {line.consumer: line.mb for line in result.memory}
    worst = {}
    if "postgres" in result.services:
        postgres = result.services["postgres"]
        backend = 4 + postgres.shared_buffers_mb / 512 + 2 * postgres.work_mem_kb / 1024
        worst["postgres"] = (
            16
            + postgres.shared_buffers_mb
            + postgres.maintenance_work_mem_mb
            + postgres.autovacuum_max_workers * postgres.autovacuum_work_mem_mb
            + (postgres.max_connections + postgres.max_parallel_workers) * backend
            - 2
        )
        assert postgres.work_mem_kb >= 64
    if "mysql" in result.services:
        mysql = result.services["mysql"]
        server = 96 + (400 if mysql.performance_schema else 0)
        each = 2 + mysql.tmp_table_size_mb
        worst["mysql"] = server + mysql.innodb_buffer_pool_size_mb + mysql.max_connections * each
        assert mysql.innodb_buffer_pool_size_mb >= 5
    if "redis" in result.services:
        redis = result.services["redis"]
        times = 2 if workload.redis_use == "store" else 1.25
        worst["redis"] = int(times * redis.maxmemory_mb) + 8 + redis.maxclients * 20 / 1024
    if "nginx" in result.services:
        nginx = result.services["nginx"]
        worst["nginx"] = 4 + nginx.worker_processes * (5 + nginx.worker_connections * 24 / 1024) - 1
    if "pgbouncer" in result.services:
        worst["pgbouncer"] = 8 + result.services["pgbouncer"].max_client_conn * 10 / 1024 - 1
    for service, mb in worst.items():
        if mb > line[service]:
            assert workload.given, (service, mb, line[service])
            assert any(text.startswith(f"{service}: ") for text in result.warnings), (service, mb, line[service])


def useful_numbers(_hardware: Hardware, workload: HostWorkload, result: Plan) -> None:
    """What the user gave nothing for is enough to work with."""
    services = result.services
    if "redis" in services and not any(path.startswith("redis.") for path in workload.given):
        assert services["redis"].maxmemory_mb >= 8
    if "mysql" in services and not any(path.startswith("mysql.") for path in workload.given):
        assert services["mysql"].innodb_buffer_pool_size_mb >= 16
    if "nginx" in services and not any(path.startswith("nginx.") for path in workload.given):
        assert services["nginx"].worker_connections >= 256 or services["nginx"].worker_rlimit_nofile <= 1024


def databases_admit_every_connection(_hardware: Hardware, workload: HostWorkload, result: Plan) -> None:
    """All workers of all generations get their pools, and slots remain for maintenance and superusers."""
    opened = {service: workload.remote_clients.get(service, 0) for service in ("postgres", "mysql")}
    for app in workload.apps:
        settings = result.gunicorn[app.name]
        generations = 2 if settings.handover == "side_by_side" or settings.keep_warm else 1
        each = (settings.pool_size or 0) + (settings.pool_max_overflow or 0)
        assert settings.connections == settings.workers * each * generations
        for service in app.databases:
            opened[service] += settings.connections
    if "pgbouncer" in result.services:
        bouncer = result.services["pgbouncer"]
        assert opened["postgres"] <= bouncer.max_client_conn
        opened["postgres"] = bouncer.server_connections
    for service in ("postgres", "mysql"):
        if service in result.services:
            assert opened[service] + 5 + 3 <= result.services[service].max_connections


def floors_are_kept(_hardware: Hardware, _workload: HostWorkload, result: Plan) -> None:
    """No number is useless."""
    for app in result.gunicorn.values():
        assert min(app.workers, app.threads, app.worker_connections, app.backlog) >= 1
        assert app.timeout > app.graceful_timeout >= 1
        assert app.drain_seconds >= 3
        assert app.keepalive > 2
        assert (app.max_requests_jitter > 0) == (app.max_requests > 0)
    if "nginx" in result.services:
        assert min(dataclasses.astuple(result.services["nginx"])) >= 1
        assert result.services["kernel"].somaxconn >= max((app.backlog for app in result.gunicorn.values()), default=0)


def descriptors_cover_connections(hardware: Hardware, workload: HostWorkload, result: Plan) -> None:
    """No process holds more connections than it may open files."""
    limit = hardware.limits.open_files or 10**9
    for name, app in result.gunicorn.items():
        if app.worker_class not in EVENT_LOOPS:
            continue
        if f"gunicorn.{name}.worker_connections" not in workload.given:
            assert 2 * app.worker_connections + 64 <= limit
        elif app.worker_connections + 64 > limit:
            assert any(text.startswith(f"{name}: worker_connections") for text in result.warnings)
    nginx = result.services.get("nginx")
    if nginx is not None and "nginx.worker_connections" not in workload.given:
        assert nginx.worker_connections * 2 <= nginx.worker_rlimit_nofile <= limit
    elif nginx is not None and nginx.worker_connections > nginx.worker_rlimit_nofile:
        assert any("connections per process need more" in text for text in result.warnings)


def every_number_has_its_reason(_hardware: Hardware, _workload: HostWorkload, result: Plan) -> None:
    """Exactly the plan's numbers have reasons, each beginning with its value."""
    facts = result.to_dict()
    reasons = facts.pop("reasons")
    facts.pop("warnings")
    paths = {f"memory.{line['for']}": line["mb"] for line in facts.pop("memory")}
    for name, numbers in facts.pop("gunicorn").items():
        paths |= {f"gunicorn.{name}.{key}": value for key, value in numbers.items()}
    paths |= {f"{service}.{key}": value for service, numbers in facts.items() for key, value in numbers.items()}
    assert set(paths) == set(reasons)
    for path, value in paths.items():
        words = {"True": "yes", "False": "no", "None": "none"}
        assert reasons[path].startswith(f"{words.get(str(value), value)}: "), path
        assert len(reasons[path]) < 320, reasons[path]


def given_numbers_are_kept(_hardware: Hardware, workload: HostWorkload, result: Plan) -> None:
    """What the user gave stands in the plan, and its reason names the variable."""
    facts = result.to_dict()
    for path, chosen in workload.given.items():
        section: Any = facts
        for part in path.split("."):
            section = section[part]
        assert section == chosen.value
        assert chosen.origin in facts["reasons"][path]


@examples(800)
@given(machines(), workloads(given=True))
def test_every_plan_is_sound(hardware: Hardware, workload: HostWorkload) -> None:
    result = _plan(hardware, workload)
    budget_adds_up(hardware, workload, result)
    slices_hold_their_workers(hardware, workload, result)
    services_stay_in_their_lines(hardware, workload, result)
    useful_numbers(hardware, workload, result)
    databases_admit_every_connection(hardware, workload, result)
    floors_are_kept(hardware, workload, result)
    descriptors_cover_connections(hardware, workload, result)
    every_number_has_its_reason(hardware, workload, result)
    given_numbers_are_kept(hardware, workload, result)
    assert plan(hardware, workload) == result


@examples(400)
@given(machines(), workloads(), st.integers(0, 4096), st.floats(0, 64))
def test_more_memory_or_cores_never_give_fewer_workers(
    hardware: Hardware, workload: HostWorkload, memory: int, cores: float
) -> None:
    assert hardware.memory.usable_mb is not None
    small = _plan(hardware, workload)
    larger = dataclasses.replace(
        hardware,
        memory=dataclasses.replace(hardware.memory, usable_mb=hardware.memory.usable_mb + memory),
        cpu=dataclasses.replace(hardware.cpu, capacity=hardware.cpu.capacity + cores),
    )
    large = plan(larger, workload)
    for name, app in small.gunicorn.items():
        assert large.gunicorn[name].workers >= app.workers
        assert (large.gunicorn[name].handover, app.handover) != ("socket", "side_by_side")
    if "nginx" in small.services:
        assert large.services["nginx"].worker_processes >= small.services["nginx"].worker_processes
    for service, number in (("redis", "maxmemory_mb"), ("postgres", "shared_buffers_mb")):
        if service in small.services:
            assert getattr(large.services[service], number) >= getattr(small.services[service], number)


@examples(150)
@given(machines(), workloads(), st.integers(1, 8))
def test_a_few_megabytes_within_a_step_change_nothing(hardware: Hardware, workload: HostWorkload, lost: int) -> None:
    assert hardware.memory.usable_mb is not None
    step = max(1, 2 ** (hardware.memory.usable_mb.bit_length() - 1) // 32)
    assume(lost < step)
    usable = hardware.memory.usable_mb // step * step + step - 1
    plans = []
    for usable_mb in (usable, usable - lost):
        memory = dataclasses.replace(hardware.memory, usable_mb=usable_mb)
        facts = _plan(dataclasses.replace(hardware, memory=memory), workload).to_dict()
        # Only the rest, and the sentences that quote the exact memory, follow it.
        assert facts["memory"].pop()["for"] == "page cache"
        plans.append({key: value for key, value in facts.items() if key not in ("reasons", "warnings")})
    assert plans[0] == plans[1]


@examples(150)
@given(st.integers(65, 400), workloads())
def test_a_host_that_is_too_small_says_so_and_what_to_do(usable_mb: int, workload: HostWorkload) -> None:
    try:
        plan(machine(usable_mb, 2.0), workload)
    except SizingError as error:
        assert "this host is too small" in str(error)
        assert f"of its {usable_mb} MB the least needed is " in str(error) or "connections" in str(error)
        assert "use a host with more memory" in str(error)


def test_a_tiny_host_is_refused_with_the_sum() -> None:
    with pytest.raises(
        SizingError, match=r"operating system 103 \+ nginx 24 \+ one worker of each app \(a\) 95 MB, about 30 MB"
    ):
        planned(machine(192, 1.0), {"name": "a"})
