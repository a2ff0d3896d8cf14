# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three phases of the guide, each alone with its validation and its way back, and all in one run; users at work.

What the guide promises in requests per second is for its own hardware; what comes out here is printed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from support.app_traffic import Answer, AppTraffic, Ask, percentile
from support.examples import APPS, write_example
from support.playbooks import CHECKOUT, Result, address, clean_environment, podman_exec, run_playbook, serving
from support.traffic import Report

HOST, DATABASE_HOST, APP = "feed", "feed-db", "recomendaciones"
DOMAIN = "feed.example.com"
PATH = "/api/search/total"
PHASES = ("indexes", "pooling", "workers")
#: The guide's 100 users at once are for its own hardware; these pause as long and hold on a machine that does more.
LOAD = {"load_users": 20, "load_seconds": 10}
#: What the guide's server has of connections after its second phase, and under load after its third.
CONNECTIONS = {"pooling": 30, "workers": 50, "all at once": 50}
#: Milliseconds, of the guide; the names are those of the header Server-Timing.
THRESHOLDS = {"users": 100.0, "videos": 80.0, "views": 70.0}
BURST_SECONDS, BURST_CLIENTS = 6.0, 8
GUNICORN = re.compile(rf"/srv/{APP}/releases/([^/]+)/venv/bin/gunicorn ")


@dataclass(frozen=True)
class Step:
    """What was found after one step. ``opened`` are the connections that the server accepted for each request."""

    output: str
    release: str
    workers: int
    processes: int
    indexes: set[str]
    requests_per_second: float
    p95_ms: float
    timings: dict[str, float]
    opened: float
    connected: int

    def __str__(self) -> str:
        timings = ", ".join(f"{name} {ms:.1f} ms" for name, ms in self.timings.items())
        return (
            f"{self.requests_per_second:.0f} requests/s, p95 {self.p95_ms:.0f} ms, {timings}; "
            f"{self.workers} workers, {self.opened:.2f} connections opened for each request, {self.connected} at once"
        )


@dataclass(frozen=True)
class Journey:
    """All steps by name, under one traffic that never stopped."""

    steps: dict[str, Step]
    report: Report
    inventory: Path
    loaded: dict[str, Result]


def sql(statement: str) -> str:
    return podman_exec(DATABASE_HOST, "mariadb", "-NBe", statement).stdout.strip()


def status(name: str) -> int:
    return int(sql(f"SHOW GLOBAL STATUS LIKE '{name}'").split()[-1])


def indexes() -> set[str]:
    where = f"table_schema = '{APP}' AND index_name <> 'PRIMARY'"
    return set(sql(f"SELECT DISTINCT index_name FROM information_schema.statistics WHERE {where}").split())


def ask(client: str, number: int) -> Ask:
    """Ask for the feed of another user each time, without the first video of the last one."""
    user = 1 + (sum(map(ord, client)) * 7919 + number * 104729) % 20000
    body = {"SELF_ID": user, "N_VIDEOS": 24, "EXCLUDED_IDS": [number]}
    return Ask("POST", PATH, body, judge=lambda answer: _judge(answer, number))


def _judge(answer: Answer, excluded: int) -> str | None:
    ids = [video["id"] for video in answer.json()["feed"]]
    if len(ids) != 24 or len(set(ids)) != 24:
        return f"{len(set(ids))} videos instead of 24"
    return "an excluded video" if excluded in ids else None


def traffic(clients: int, rate: float) -> AppTraffic:
    # For more workers nginx gets more connections, and its reload closes idle ones: browsers open new ones.
    options = {"idle_close_fails": False, "host": DOMAIN, "tls_verify": False, "clients": clients, "rate": rate}
    return AppTraffic(f"https://{address(HOST)}", ask, max_seconds=2400.0, **options)


def measure(output: str = "") -> Step:
    """Load the app for some seconds and look at it; the traffic of the journey goes on meanwhile."""
    before, connected = status("Connections"), 0
    with traffic(BURST_CLIENTS, rate=0) as burst:
        for _unused in range(3):
            burst.wait(BURST_SECONDS / 3)
            connected = max(connected, status("Threads_connected"))
    opened = status("Connections") - before
    report = burst.report()
    report.assert_clean(minimum_requests=10)
    timings = [dict(re.findall(r"(\w+);dur=([\d.]+)", one.headers["server-timing"])) for one in burst.answers]
    release = serving(HOST, APP).current
    assert release is not None
    config = podman_exec(HOST, "cat", f"/srv/{APP}/releases/{release}/etc/gunicorn.conf.py").stdout
    processes = podman_exec(HOST, "ps", "-eo", "args=").stdout
    workers = re.search(r"^workers = (\d+)$", config, re.MULTILINE)
    assert workers
    return Step(
        output=output,
        release=release,
        workers=int(workers[1]),
        processes=GUNICORN.findall(processes).count(release),
        indexes=indexes(),
        requests_per_second=report.requests / report.seconds,
        p95_ms=percentile([one.milliseconds for one in burst.answers], 0.95),
        timings={name: median(float(one[name]) for one in timings) for name in THRESHOLDS},
        opened=opened / report.requests,
        connected=connected,
    )


def change(phases: tuple[str, ...]) -> Callable[[dict[str, Any]], None]:
    def changed(variables: dict[str, Any]) -> None:
        variables.update(phases=list(phases), feed_address=address(HOST), feed_db_address=address(DATABASE_HOST))
        (app,) = variables["webstack_apps"]
        app["migrate"].append(f"python -m {APP}.seed")
        app["load_test"]["locustfile"] = str(APPS / APP / "locustfile.py")
        # All load comes from one address: this machine's, as the test host sees it.
        variables["nginx_proxy_unlimited"] = [re.sub(r"\d+$", "1", address(HOST))]

    return changed


def take_back_indexes(inventory: Path) -> None:
    command = [str(Path(sys.executable).with_name("ansible")), "mysql", "-i", str(inventory), "-b"]
    command += ["-m", "rightsize.webstack.mysql_indexes", "-a", f"database={APP} state=rolled_back"]
    done = subprocess.run(command, cwd=CHECKOUT, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module", autouse=True)
def secrets() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEED_DATABASE_PASSWORD", "appapp0123456789")
        patch.setenv("FEED_OWNER_PASSWORD", "ownerowner0123456789")
        yield


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, secrets: None) -> Journey:
    scratch = tmp_path_factory.mktemp("journey")
    inventories = {
        name: write_example(scratch / name, APP, change(PHASES[:count])) for count, name in enumerate(("none", *PHASES))
    }
    steps: dict[str, Step] = {}
    load = {**LOAD, "load_connect_to": address(HOST)}
    loaded: dict[str, Result] = {}

    def step(name: str, output: str = "") -> None:
        steps[name] = measure(output)
        print(f"{name}: {steps[name]}")

    run_playbook("deploy", inventories["none"]).assert_ok()
    take_back_indexes(inventories["none"])  # those of an earlier run on this host
    loaded["before"] = run_playbook("load_test", inventories["none"], load)
    with traffic(clients=2, rate=3) as users:
        step("before")
        for name in PHASES:
            step(name, run_playbook("deploy", inventories[name]).assert_ok().stdout)
        for name in ("workers back", "pooling back"):
            run_playbook("rollback", inventories["workers"]).assert_ok()
            step(name)
        take_back_indexes(inventories["none"])
        step("indexes back")
        step("all at once", run_playbook("deploy", inventories["workers"]).assert_ok().stdout)
        loaded["all at once"] = run_playbook("load_test", inventories["workers"], load)
    report = users.report()
    print(report)
    return Journey(steps, report, inventories["workers"], loaded)


def test_no_request_fails_and_every_feed_has_24_videos(journey: Journey) -> None:
    journey.report.assert_clean(minimum_requests=300)


def test_phase_1_makes_the_indexes_that_queries_use(journey: Journey) -> None:
    before, after = journey.steps["before"], journey.steps["indexes"]
    assert before.indexes == set()
    assert len(after.indexes) == 4
    assert {name: ms for name, ms in after.timings.items() if ms > THRESHOLDS[name]} == {}
    assert after.timings["views"] < before.timings["views"] / 3
    # What was measured is in the output of the run.
    assert "views_query" in after.output


def test_phase_2_keeps_connections(journey: Journey) -> None:
    assert journey.steps["indexes"].opened >= 1
    assert journey.steps["pooling"].opened < 0.5


def test_phase_3_runs_the_plans_workers(journey: Journey) -> None:
    assert journey.steps["pooling"].workers == 1
    assert journey.steps["workers"].workers > 1
    for name, step in journey.steps.items():
        assert step.processes == step.workers + 1, name


def test_each_phase_goes_back_alone(journey: Journey) -> None:
    steps = journey.steps
    assert steps["workers back"].release == steps["pooling"].release
    assert steps["workers back"].opened < 0.5
    assert steps["pooling back"].release == steps["indexes"].release
    assert steps["pooling back"].opened >= 1
    assert steps["pooling back"].indexes == steps["indexes"].indexes
    assert steps["indexes back"].indexes == set()


def test_all_phases_in_one_run(journey: Journey) -> None:
    together, last = journey.steps["all at once"], journey.steps["workers"]
    assert (together.indexes, together.workers) == (last.indexes, last.workers)
    assert together.opened < 0.5
    assert together.requests_per_second > 2 * journey.steps["before"].requests_per_second


def test_a_load_test_keeps_the_guides_thresholds_after_it_alone(journey: Journey) -> None:
    journey.loaded["before"].assert_failed("Feed: mean_ms was", "max_mean_ms is 500")
    journey.loaded["all at once"].assert_ok()


def test_connections_stay_within_the_guides_numbers(journey: Journey) -> None:
    assert {
        name: journey.steps[name].connected
        for name in CONNECTIONS
        if journey.steps[name].connected >= CONNECTIONS[name]
    } == {}


def test_connections_stay_within_the_plan(journey: Journey) -> None:
    environment = podman_exec(HOST, "cat", f"/srv/{APP}/current/etc/environment").stdout
    sizes = [int(value) for value in re.findall(r"^DATABASE_POOL_\w+=\"?(\d+)", environment, re.MULTILINE)]
    admitted = int(sql("SELECT @@max_connections"))
    for name in ("workers", "all at once"):
        step = journey.steps[name]
        # Two generations, the one that looks, and one that is there for the server's own sake.
        assert step.connected <= 2 * step.workers * sum(sizes) + 2 < admitted, name


def test_a_second_run_changes_nothing_and_all_is_verified(journey: Journey) -> None:
    again = run_playbook("deploy", journey.inventory).assert_ok()
    assert {host: counts["changed"] for host, counts in again.recap.items() if counts["changed"]} == {}
    sql(f"SELECT SLEEP(1.1); CREATE INDEX unwanted ON {APP}.users (country)")
    try:
        verified = run_playbook("verify", journey.inventory).assert_ok()
    finally:
        sql(f"DROP INDEX unwanted ON {APP}.users")
    slow = re.search(r"since it started (\d+) queries were slow \(/var/log/mysql/slow.log\)", verified.said)
    assert slow and int(slow[1]) >= 1
    assert "nobody has used: users.unwanted" in verified.said
    assert not [name for name in journey.steps["workers"].indexes if f".{name}" in verified.said]
