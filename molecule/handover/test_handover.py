# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users notice neither a deploy nor a reload nor a rollback, whatever the worker class.

Every test of a journey looks at one record of it: clients POST without pause and hold streams
open while the playbooks run one after the other.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from support.playbooks import (
    DOMAIN,
    Serving,
    address,
    answering,
    podman_exec,
    run_playbook,
    serving,
    variant,
    write_inventory,
)
from support.traffic import Report, Traffic

HOST = "handover"
CLASSES = ("asgi", "uvicorn_worker")
STEPS = {
    "deploy": "deploy",
    "deploy of new code": "deploy",
    "deploy of a changed variable": "deploy",
    "reload": "reload",
    "rollback": "rollback",
    "rollback again": "rollback",
}
"""The steps of a journey and the playbook of each."""
GUNICORN = re.compile(r" *(?P<pid>\d+) \S+ /srv/demo/releases/(?P<release>[^/]+)/venv/bin/gunicorn ")
STREAM_SECONDS = 8.0
"""Longer than an old release is left alone after a hand-over: it is told to stop with streams open."""
MAX_SECONDS = 1800.0
"""Of traffic; a journey takes two minutes where the machine has nothing else to do."""
MIGRATED = "/srv/demo/shared/migrated"
MIGRATION = f"""\
import os, pathlib, sys
mark = pathlib.Path("{MIGRATED}")
mark.write_text(os.environ["WEBSTACK_RELEASE"]) if sys.argv[1] == "up" else mark.unlink()
"""


def start_traffic(streams: int = 3) -> Traffic:
    return Traffic(
        f"http://{address(HOST)}",
        host=DOMAIN,
        clients=8,
        rate=60,
        streams=streams,
        stream_seconds=STREAM_SECONDS,
        max_seconds=MAX_SECONDS,
    )


@dataclass(frozen=True)
class Step:
    """What was found after one playbook: what serves, which processes run, who answered in the second after it."""

    serves: Serving
    processes: dict[str, set[int]]
    answered: set[str]

    @property
    def release(self) -> str:
        assert self.serves.current is not None
        return self.serves.current


@dataclass(frozen=True)
class Journey:
    """All steps under one traffic; ``first`` is the release that served before them."""

    worker_class: str
    first: str
    steps: dict[str, Step]
    report: Report


def processes() -> dict[str, set[int]]:
    """Return the process ids of each release that runs."""
    found: dict[str, set[int]] = {}
    for line in podman_exec(HOST, "ps", "-eo", "pid=,args=").stdout.splitlines():
        gunicorn = GUNICORN.match(line)
        if gunicorn:
            found.setdefault(gunicorn["release"], set()).add(int(gunicorn["pid"]))
    return found


def take_step(traffic: Traffic, playbook: str, inventory: Path) -> Step:
    run_playbook(playbook, inventory).assert_ok()
    found = processes()
    return Step(serving(HOST), found, answering(traffic))


@pytest.fixture(scope="module")
def in_service(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The app is live on the host."""
    run_playbook("deploy", write_inventory(tmp_path_factory.mktemp("inventory"), HOST)).assert_ok()


@pytest.fixture(scope="module", params=CLASSES)
def journey(request: pytest.FixtureRequest, in_service: None, tmp_path_factory: pytest.TempPathFactory) -> Journey:
    scratch = tmp_path_factory.mktemp("journey")
    one = {"source": {"path": str(variant(scratch / "one", version="1.1.0"))}, "worker_class": request.param}
    two = {**one, "source": {"path": str(variant(scratch / "two", version="1.2.0"))}}
    blue = {**two, "environment": {"DEMO_COLOUR": "blue"}}
    apps = {"deploy": one, "deploy of new code": two}
    first = serving(HOST).current
    assert first is not None
    with start_traffic() as traffic:
        steps = {
            name: take_step(traffic, playbook, write_inventory(scratch / "inventory", HOST, apps.get(name, blue)))
            for name, playbook in STEPS.items()
        }
    report = traffic.report()
    print(report)
    return Journey(request.param, first, steps, report)


def test_no_request_and_no_stream_fails(journey: Journey) -> None:
    journey.report.assert_clean(minimum_requests=5000, minimum_streams=6)


def test_every_step_has_the_declared_worker_class(journey: Journey) -> None:
    name = {"asgi": "asgi", "uvicorn_worker": "uvicorn_worker.UvicornWorker"}[journey.worker_class]
    for step in journey.steps.values():
        config = podman_exec(HOST, "cat", f"/srv/demo/releases/{step.release}/etc/gunicorn.conf.py").stdout
        assert f'worker_class = "{name}"' in config


def test_every_step_forward_makes_a_release_and_every_rollback_goes_back_one(journey: Journey) -> None:
    releases = {name: step.release for name, step in journey.steps.items()}
    forward = [journey.first, *(releases[name] for name, playbook in STEPS.items() if playbook != "rollback")]
    assert sorted(set(forward)) == forward
    assert releases["rollback"] == releases["deploy of a changed variable"]
    assert releases["rollback again"] == releases["deploy of new code"]


def test_after_each_step_its_release_alone_answers(journey: Journey) -> None:
    assert {name: step.answered for name, step in journey.steps.items()} == {
        name: {step.release} for name, step in journey.steps.items()
    }


def test_the_traffic_saw_the_releases_in_order(journey: Journey) -> None:
    seen = iter(journey.report.releases)
    expected = [journey.first, *(step.release for step in journey.steps.values())]
    assert all(release in seen for release in expected), f"wanted {expected}, saw {journey.report.releases}"
    assert set(journey.report.releases) == set(expected)


def test_the_live_socket_names_the_current_release(journey: Journey) -> None:
    assert all(step.serves.live == step.release for step in journey.steps.values())


def test_a_rollback_to_the_warm_release_starts_no_process(journey: Journey) -> None:
    before, after = journey.steps["reload"], journey.steps["rollback"]
    assert after.processes[after.release] == before.processes[after.release]
    assert set().union(*after.processes.values()) <= set().union(*before.processes.values())


def test_a_reload_of_the_unit_replaces_its_workers(in_service: None, tmp_path: Path) -> None:
    """``systemctl reload`` (HUP). No more is promised: gunicorn's asgi worker lost 1 of 4,171 requests at one."""
    run_playbook("deploy", write_inventory(tmp_path, HOST, {"worker_class": "asgi"})).assert_ok()
    release = serving(HOST).current
    assert release is not None
    old = processes()[release]
    podman_exec(HOST, "systemctl", "reload", f"demo@{release}.service")
    main = serving(HOST).processes[f"demo@{release}.service"]
    deadline = time.monotonic() + 60
    while old & processes()[release] != {main} and time.monotonic() < deadline:
        time.sleep(0.5)
    assert old & processes()[release] == {main}
    assert requests.get(f"http://{address(HOST)}/health", headers={"Host": DOMAIN}, timeout=10).status_code == 200


def test_a_migration_is_run_on_deploy_and_undone_on_rollback(in_service: None, tmp_path: Path) -> None:
    run_playbook("deploy", write_inventory(tmp_path / "before", HOST)).assert_ok()
    before = serving(HOST).current
    source = variant(tmp_path / "source", version="2.0.0", files={"migrate.py": MIGRATION})
    migrate = [{"run": "python migrate.py up", "undo": "python migrate.py down"}]
    inventory = write_inventory(tmp_path / "after", HOST, {"source": {"path": str(source)}, "migrate": migrate})
    with start_traffic() as traffic:
        run_playbook("deploy", inventory).assert_ok()
        migrated = podman_exec(HOST, "cat", MIGRATED).stdout
        after = serving(HOST).current
        run_playbook("rollback", inventory).assert_ok()
    traffic.report().assert_clean(minimum_requests=1000)
    assert before != after == migrated
    assert serving(HOST).current == before
    assert podman_exec(HOST, "test", "-e", MIGRATED, check=False).returncode == 1
