# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""gunicorn's numbers on known machines."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.types import GunicornPlan
from unit.module_utils.sizing.machines import ORANGE_PI, machine, planned


def _app(memory_mb: int, capacity: float, services: tuple[str, ...] = ("nginx",), **app: Any) -> GunicornPlan:
    return planned(machine(memory_mb, capacity), {"name": "a", **app}, services=services).gunicorn["a"]


def test_an_orange_pi_with_postgres_calling_language_models_gets_the_guides_four_workers() -> None:
    plan = planned(ORANGE_PI, {"name": "agente", "workload": "llm", "postgres": {}}, services=("nginx", "postgres"))
    agente = plan.gunicorn["agente"]
    assert (agente.workers, agente.worker_class, agente.handover) == (4, "asgi", "side_by_side")
    assert agente.timeout > 120
    assert "6.00 cores' worth × 0.70 (nginx 5%, postgres 25% kept)" in plan.reasons["gunicorn.agente.workers"]


def test_four_cpus_with_a_half_waiting_app_get_the_guides_eight_workers() -> None:
    for framework in ("fastapi", "flask"):
        app = _app(7900, 4.0, framework=framework, workload="mixed", mysql={}, preload=True)
        assert (app.workers, app.preload) == (8, True)


def test_two_cpus_with_a_booking_app_get_gevent_and_at_most_five_workers() -> None:
    app = _app(3900, 2.0, framework="django", workload="io")
    assert app.worker_class == "gevent"
    assert 2 <= app.workers <= 5


def test_one_gigabyte_and_two_cpus_hold_an_orchestrator_with_redis_twice() -> None:
    app = _app(1000, 2.0, ("nginx", "redis"), workload="llm")
    assert (app.workers, app.handover, app.keep_warm) == (2, "side_by_side", True)


@pytest.mark.parametrize(
    ("memory_mb", "capacity", "workers", "handover"),
    [
        (256, 1.0, 1, "socket"),
        (384, 1.0, 2, "socket"),
        (487, 1.0, 2, "side_by_side"),  # what a "512 MB" virtual machine really has
        (512, 1.0, 2, "side_by_side"),
        (1024, 1.5, 2, "side_by_side"),
    ],
)
def test_small_hosts(memory_mb: int, capacity: float, workers: int, handover: str) -> None:
    app = _app(memory_mb, capacity, workload="io")
    assert (app.workers, app.handover) == (workers, handover)
    assert app.keep_warm == (handover == "side_by_side")


def test_the_only_worker_is_never_recycled() -> None:
    assert _app(256, 1.0).max_requests == 0
    assert _app(2048, 1.0).max_requests > 0


def test_uvicorns_workers_are_not_replaced_unless_the_user_insists() -> None:
    machine_ = machine(2048, 2.0)
    quiet = planned(machine_, {"name": "a", "worker_class": "uvicorn_worker"})
    assert quiet.gunicorn["a"].max_requests == 0
    insisting = planned(machine_, {"name": "a", "worker_class": "uvicorn_worker", "max_requests": 500})
    assert insisting.gunicorn["a"].max_requests == 500
    assert [text for text in insisting.warnings if "webstack_apps[0].max_requests replaces a worker" in text]


def test_workers_are_replaced_about_once_an_hour_where_the_rate_is_known() -> None:
    def each(rate: float) -> int:
        return _app(8192, 4.0, workload="llm", requests_per_second=rate).max_requests

    assert _app(8192, 4.0, workload="llm").max_requests == 10_000
    assert [each(rate) for rate in (0.1, 40.0, 4000.0)] == [1000, 36_000, 100_000]


def test_sync_workers_multiply_with_waiting_and_event_loops_do_not() -> None:
    sync: dict[str, Any] = {"framework": "flask", "worker_class": "sync"}
    assert [_app(32768, 4.0, workload=load, **sync).workers for load in ("cpu", "mixed", "io", "llm")] == [4, 8, 15, 30]
    assert [_app(32768, 4.0, workload=load).workers for load in ("cpu", "mixed", "io", "llm")] == [4, 8, 4, 4]


def test_declared_load_sets_threads_by_littles_law() -> None:
    app = _app(8192, 2.0, framework="flask", requests_per_second=50, seconds_per_request=2)
    # 100 requests at once plus a quarter, over 4 workers.
    assert (app.workers, app.threads) == (4, 32)


def test_declared_load_sets_sync_workers_by_littles_law() -> None:
    app = _app(32768, 2.0, framework="flask", worker_class="sync", requests_per_second=20, seconds_per_request=2)
    assert app.workers == 50


def test_memory_is_declared_before_measured_before_assumed() -> None:
    def each(app: dict[str, Any], **options: Any) -> tuple[int, str]:
        plan = planned(machine(8192, 2.0), {"name": "a", **app}, **options)
        return plan.gunicorn["a"].memory_per_worker_mb, plan.reasons["gunicorn.a.memory_per_worker_mb"]

    declared, measured = {"memory_per_worker_mb": 333}, {"measured": {"a": 100}}
    assert each(declared, **measured)[0] == 333
    assert each({}, **measured) == (128, "128: measured 100 on the running release, plus 15%, rounded up")
    value, reason = each({})
    assert value == 75
    assert "assumed for fastapi" in reason
    assert "declare webstack_apps[0].memory_per_worker_mb" in reason


def test_two_measurements_of_the_same_app_give_the_same_plan() -> None:
    plans = [planned(machine(2048, 2.0), {"name": "a"}, measured={"a": mb}).gunicorn for mb in (88, 92, 96)]
    assert plans[0] == plans[1] == plans[2]


def _calibrated(**measured: float) -> tuple[int, str]:
    plan = planned(machine(8192, 2.0), {"name": "a"}, measured={"a": {"rest_mb": 40, "hours": 0.1, **measured}})
    return plan.gunicorn["a"].memory_per_worker_mb, plan.reasons["gunicorn.a.memory_per_worker_mb"]


def test_a_fresh_release_that_fits_its_assumption_changes_nothing() -> None:
    value, reason = _calibrated(peak_mb=42)
    assert value == 75
    assert reason == (
        "75: assumed for fastapi with a database driver and an HTTP client; measured 40 MB at rest and 42 at the peak "
        "on the running release in 0.1 h; a smaller number counts after 24 h"
    )


def test_a_larger_worker_counts_at_once() -> None:
    value, reason = _calibrated(peak_mb=90, planned_mb=75)
    assert value == 112  # 90 × 1.15 = 103, rounded up
    assert "at the peak on the running release, planned with 75; the peak plus 15%, rounded up" in reason


def test_a_smaller_worker_counts_after_a_day() -> None:
    assert _calibrated(peak_mb=42, planned_mb=75, hours=23.9)[0] == 75
    value, reason = _calibrated(peak_mb=42, planned_mb=75, hours=24)
    assert value == 48
    assert "measured 40 MB at rest and 42 at the peak on the running release in 24 h" in reason
    assert _calibrated(peak_mb=52, planned_mb=75, hours=240)[0] == 75  # a quarter less is not worth a release


@pytest.mark.parametrize("hours", [0.1, 240])
@pytest.mark.parametrize("peak", [10, 42, 64, 75, 76, 103, 400])
def test_a_plan_made_from_a_measurement_stands(peak: int, hours: float) -> None:
    """What is planned with once is kept when the same workers, or slightly other ones, are measured again."""
    first = _calibrated(peak_mb=peak, hours=hours)[0]
    for change in (0.95, 1.0, 1.05, 1.1):
        again = max(1, int(peak * change))
        if again <= first:
            assert _calibrated(peak_mb=again, planned_mb=first, hours=hours)[0] == first


def test_a_release_that_does_not_run_keeps_its_plan() -> None:
    plan = planned(machine(8192, 2.0), {"name": "a"}, measured={"a": {"planned_mb": 48}})
    assert plan.gunicorn["a"].memory_per_worker_mb == 48
    assert (
        "as the current release was planned; its workers could not be measured now"
        in plan.reasons["gunicorn.a.memory_per_worker_mb"]
    )


def test_a_declared_number_counts_before_a_measured_one() -> None:
    measured = {"a": {"rest_mb": 400, "peak_mb": 500, "hours": 90}}
    plan = planned(machine(8192, 2.0), {"name": "a", "memory_per_worker_mb": 100}, measured=measured)
    assert plan.gunicorn["a"].memory_per_worker_mb == 100


def test_given_workers_beyond_memory_are_kept_and_warned_about() -> None:
    plan = planned(machine(512, 1.0), {"name": "a", "workers": 16}, {"name": "b"})
    assert plan.gunicorn["a"].workers == 16
    assert plan.gunicorn["b"].workers == 1
    assert "webstack_apps[0].workers asks for 16 workers (20 + 16 × 75 = 1220 MB)" in plan.warnings[0]


def test_the_rest_is_planned_around_a_given_number() -> None:
    app = _app(8192, 4.0, timeout=20, workers=3, max_requests=100)
    assert (app.timeout, app.graceful_timeout) == (20, 16)
    assert (app.workers, app.max_requests, app.max_requests_jitter) == (3, 100, 20)
    assert _app(8192, 4.0, graceful_timeout=200).timeout == 250


def test_overrides_win_over_the_apps_own_entry() -> None:
    overrides = {"gunicorn.a.workers": 5, "gunicorn.a.worker_class": "uvicorn_worker", "gunicorn.a.handover": "socket"}
    plan = planned(machine(8192, 4.0), {"name": "a", "workers": 3}, overrides=overrides)
    app = plan.gunicorn["a"]
    assert (app.workers, app.worker_class, app.handover) == (5, "uvicorn_worker", "socket")
    assert plan.reasons["gunicorn.a.workers"].startswith(
        "5: given by webstack_overrides['gunicorn.a.workers']; computed"
    )


def test_one_generation_leaves_room_for_more_workers() -> None:
    both = _app(1024, 8.0, workload="cpu", memory_per_worker_mb=100)
    one = _app(1024, 8.0, workload="cpu", memory_per_worker_mb=100, handover="socket")
    assert (both.handover, one.handover) == ("side_by_side", "socket")
    assert one.workers > both.workers
    assert one.keep_warm is False


def test_a_warm_release_is_kept_only_where_asked_or_where_both_fit() -> None:
    assert _app(8192, 2.0, keep_warm=False).keep_warm is False
    assert _app(8192, 2.0, keep_warm=False).handover == "side_by_side"
    tight = planned(machine(256, 1.0), {"name": "a", "keep_warm": True})
    assert (tight.gunicorn["a"].keep_warm, tight.gunicorn["a"].handover) == (True, "side_by_side")
    assert any("two generations were asked for" in text for text in tight.warnings)


def test_what_services_keep_is_missing_from_the_apps() -> None:
    alone, shared = _app(4096, 8.0), _app(4096, 8.0, ("nginx", "postgres", "mysql"))
    assert shared.workers < alone.workers
    assert shared.memory_max_mb < alone.memory_max_mb


def test_apps_share_processors_and_memory_evenly() -> None:
    plan = planned(machine(16384, 8.0), {"name": "a"}, {"name": "b"})
    assert plan.gunicorn["a"] == plan.gunicorn["b"]
    assert plan.gunicorn["a"].workers == 8
    assert "÷ 2 apps" in plan.reasons["gunicorn.b.workers"]


def test_the_cheapest_app_gets_its_second_generation_first() -> None:
    large, small = {"name": "large", "memory_per_worker_mb": 300}, {"name": "small", "memory_per_worker_mb": 50}
    plan = planned(machine(1280, 2.0), large, small)
    assert (plan.gunicorn["large"].handover, plan.gunicorn["small"].handover) == ("socket", "side_by_side")
    assert plan.gunicorn["large"].workers == plan.gunicorn["small"].workers == 2


def test_a_given_memory_limit_bounds_the_workers() -> None:
    app = _app(8192, 8.0, workload="cpu", memory_max_mb=400)
    assert (app.memory_max_mb, app.workers, app.handover) == (400, 2, "side_by_side")


def test_connections_grow_with_memory_and_fit_the_file_limit() -> None:
    assert _app(512, 1.0).worker_connections < _app(2048, 1.0).worker_connections == 1000
    tight = planned(machine(8192, 2.0, open_files=1024), {"name": "a"})
    assert tight.gunicorn["a"].worker_connections == 450


def test_a_database_asks_for_a_pool() -> None:
    assert _app(8192, 2.0).pool_size is None
    assert _app(8192, 2.0, postgres={}).pool_size == 5
    assert _app(8192, 2.0, mysql={}, framework="flask").pool_size == 4  # one for each thread
    assert _app(8192, 2.0, mysql={}, framework="flask", workload="cpu").pool_size == 1


@pytest.mark.parametrize(
    ("memory_mb", "capacity", "app", "services", "workers", "connections"),
    [
        (7900, 4.0, {"workload": "mixed", "preload": True, "mysql": {}}, ("nginx",), 8, 160),
        (7900, 4.0, {"workload": "mixed", "preload": True, "mysql": {}, "pool_size": 20}, ("nginx",), 8, 320),
        (3900, 2.0, {"framework": "django", "workload": "io", "redis": {}}, ("nginx", "redis"), 2, 0),
        (990, 2.0, {"workload": "llm", "redis": {}}, ("nginx", "redis"), 2, 0),
        (1990, 2.0, {"postgres": {"extensions": ["vector"]}}, ("nginx", "postgres"), 3, 54),
        (15936, 6.0, {"workload": "llm", "postgres": {"extensions": ["vector"]}}, ("nginx", "postgres"), 4, 80),
        (1024, 1.5, {}, ("nginx",), 3, 0),
    ],
)
def test_the_reference_rows_of_the_documentation(
    memory_mb: int, capacity: float, app: dict[str, Any], services: tuple[str, ...], workers: int, connections: int
) -> None:
    plan = _app(memory_mb, capacity, services, **app)
    assert (plan.workers, plan.connections, plan.handover) == (workers, connections, "side_by_side")


def test_given_connections_that_do_not_fit_are_warned_about() -> None:
    def about(open_files: int, number: int) -> list[str]:
        hardware = machine(1024, 1.0, open_files=open_files)
        return [
            text for text in planned(hardware, {"name": "a", "worker_connections": number}).warnings if "a: " in text
        ]

    assert about(524288, 1000) == []
    assert "expect workers to be killed for memory at such a peak" in about(524288, 20_000)[0]
    assert "worker_connections 1000 needs more than the 1024 files" in about(1024, 1000)[0]
