# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest hosts: the plan sees their limits, nothing is killed for memory, and hand-overs work.

Where two generations of an app don't fit, they take turns behind a socket that systemd holds:
users wait a moment instead of being turned away.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from support.memory import killed_for_memory
from support.playbooks import (
    DOMAIN,
    Result,
    address,
    finish_playbook,
    podman_exec,
    reboot,
    run_playbook,
    serving,
    start_playbook,
    variant,
    write_inventory,
)
from support.traffic import Report, Traffic

LIMITS = {"tiny": (512, 1.0), "quota": (1024, 1.5)}
PATIENCE_SECONDS = 90.0
"""How long a client waits for an answer: a small host takes its time to start a release."""
CRASH_AT_START = (
    "app = FastAPI(",
    """async def crash() -> None:
    raise SystemExit("planted: no database")


app = FastAPI(on_startup=[crash], """,
)


def traffic(host: str) -> Traffic:
    return Traffic(f"http://{address(host)}", host=DOMAIN, clients=5, rate=25, timeout=PATIENCE_SECONDS)


@pytest.fixture(scope="module", autouse=True)
def in_service(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Both hosts serve the demo app, as their plans have it."""
    scratch = tmp_path_factory.mktemp("first")
    started = [start_playbook("deploy", write_inventory(scratch / host, host)) for host in LIMITS]
    for process in started:
        finish_playbook(process).assert_ok()


@pytest.fixture(params=list(LIMITS))
def host(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def takes_turns(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The host whose releases take turns; returns the one that serves."""
    if podman_exec("tiny", "systemctl", "is-active", "demo.socket", check=False).returncode:
        play("deploy", "tiny", tmp_path_factory.mktemp("turns"), handover="socket").assert_ok()
    return current("tiny")


def play(playbook: str, host: str, scratch: Path, source: Path | None = None, **app: Any) -> Result:
    """Run a playbook for the demo app, from another source when one is given."""
    origin = {"source": {"path": str(source)}} if source else {}
    return run_playbook(playbook, write_inventory(scratch / "inventory", host, {**origin, **app}))


def current(host: str) -> str:
    release = serving(host).current
    assert release is not None
    return release


def running(host: str) -> set[str]:
    return {unit.split("@")[1].removesuffix(".service") for unit in serving(host).processes}


def processes(host: str) -> set[str]:
    """Return the workers and masters of the app, each with when it was started."""
    listed = podman_exec(host, "ps", "-u", "demo", "-o", "pid=,lstart=", check=False).stdout
    return set(listed.splitlines())


def mode(host: str) -> dict[str, str]:
    shown = podman_exec(host, "systemctl", "show", "demo.socket", "--property=ActiveState,LoadState").stdout
    live = podman_exec(host, "readlink", "/run/demo/live.sock").stdout.strip()
    return {**dict(line.split("=") for line in shown.split()), "live": live}


def journal_order(host: str, *messages: str) -> list[int]:
    """Return where each message first stands in the journal."""
    lines = podman_exec(host, "journalctl", "--no-pager", "--output=cat").stdout.splitlines()
    return [next(number for number, line in enumerate(lines) if message in line) for message in messages]


def assert_takes_turns(host: str, release: str) -> None:
    """One release runs, behind systemd's socket, and nothing is left of others."""
    assert mode(host) == {"ActiveState": "active", "LoadState": "loaded", "live": "demo.sock"}
    assert current(host) == release
    assert running(host) == {release}
    assert podman_exec(host, "systemctl", "--failed", "--plain", "--no-legend").stdout == ""


def assert_ends_with(report: Report, old: str, new: str) -> None:
    """The new release took over from the old one, which answers on connections that nginx still has for a second."""
    assert set(report.releases) == {old, new}
    assert report.releases[-1] == new


# --- what the plan sees, and what holds under load --------------------------------------------------------------


def test_the_plan_sees_the_limits(host: str, tmp_path: Path) -> None:
    memory, cpus = LIMITS[host]
    printed = play("plan", host, tmp_path).assert_ok().stdout
    assert f"{cpus:.2f} cores' worth" in printed
    assert f"{memory} MB usable" in printed
    planned = {key: int(value) for key, value in re.findall(r"^\s+(workers|memory_max_mb)\s+(\d+) ", printed, re.M)}
    assert planned["memory_max_mb"] < memory

    bound = podman_exec(host, "systemctl", "show", "demo.slice", "--property=MemoryMax", "--value").stdout
    assert int(bound) == planned["memory_max_mb"] * 1024 * 1024
    assert len(processes(host)) == len(running(host)) * (planned["workers"] + 1)


def test_a_hand_over_and_load_with_both_generations_in_memory_kill_nothing(host: str, tmp_path: Path) -> None:
    first = current(host)
    with traffic(host) as users:
        play("release", host, tmp_path, variant(tmp_path / "two", version=f"2.0.0+{host}")).assert_ok()
        before = processes(host)
        hard_work(host)
        users.wait(3)
    report = users.report()
    report.assert_clean(minimum_requests=300)
    assert_ends_with(report, first, current(host))
    assert running(host) == {first, current(host)}, "this plan keeps the old release warm"
    assert processes(host) == before
    assert killed_for_memory(host) == []


def hard_work(host: str) -> None:
    """Let the app hold memory and use its processors for a while, two requests at a time."""

    def work(path: str) -> list[int]:
        url = f"http://{address(host)}{path}"
        return [
            requests.get(url, headers={"Host": DOMAIN}, timeout=PATIENCE_SECONDS).status_code for _unused in range(25)
        ]

    with ThreadPoolExecutor() as pool:
        answers = [status for statuses in pool.map(work, ("/memory?mb=20", "/burn?ms=100")) for status in statuses]
    assert set(answers) == {200}


# --- releases that take turns behind systemd's socket -----------------------------------------------------------


# Changing from one way to the other changes nginx's configuration, too, and a reload of nginx ends idle keep-alive
# connections of clients, as always: that part is done before the traffic that must not notice the rest.


def test_changing_to_turns_goes_unnoticed(tmp_path: Path) -> None:
    first = current("tiny")
    play("provision", "tiny", tmp_path, handover="socket").assert_ok()
    with traffic("tiny") as users:
        play("release", "tiny", tmp_path, handover="socket").assert_ok()
        users.wait(2)
    users.report().assert_clean(minimum_requests=300)
    assert_ends_with(users.report(), first, current("tiny"))
    assert_takes_turns("tiny", current("tiny"))


def test_a_deploy_and_a_rollback_make_users_wait_but_never_fail(takes_turns: str, tmp_path: Path) -> None:
    two = variant(tmp_path / "two", version="2.0.0+turns")
    with traffic("tiny") as users:
        play("release", "tiny", tmp_path, two, handover="socket").assert_ok()
        second = current("tiny")
        assert_takes_turns("tiny", second)
        users.wait(2)
        play("rollback", "tiny", tmp_path).assert_ok()
        users.wait(2)
    report = users.report()
    report.assert_clean(minimum_requests=300)
    assert report.releases == [takes_turns, second, takes_turns]
    assert_takes_turns("tiny", takes_turns)
    # Never two generations at a time: that is what the memory has no room for.
    stopped, started = journal_order("tiny", f"Stopped demo@{takes_turns}", f"Starting demo@{second}")
    assert stopped < started
    assert killed_for_memory("tiny") == []


@pytest.mark.parametrize(
    ("edit", "cause"),
    [
        pytest.param(("app = FastAPI(", 'raise RuntimeError("planted")\napp = FastAPI('), "planted", id="import"),
        pytest.param(CRASH_AT_START, "crashed while starting", id="start"),
    ],
)
def test_a_broken_release_leaves_the_old_one_serving(
    takes_turns: str, tmp_path: Path, edit: tuple[str, str], cause: str
) -> None:
    broken = variant(tmp_path / "broken", version="3.0.0", edits={"demo/main.py": [edit]})
    with traffic("tiny") as users:
        play("release", "tiny", tmp_path, broken, handover="socket").assert_failed(cause, f"{takes_turns} still serves")
        users.wait(2)
    users.report().assert_clean(minimum_requests=200)
    assert users.report().releases == [takes_turns]
    assert_takes_turns("tiny", takes_turns)


def test_a_reboot_brings_the_release_back(takes_turns: str) -> None:
    reboot("tiny")
    report = few_requests("tiny")
    report.assert_clean(minimum_requests=50)
    assert report.releases == [takes_turns]
    assert_takes_turns("tiny", takes_turns)


def few_requests(host: str) -> Report:
    with traffic(host) as users:
        users.wait(3)
    return users.report()


def test_changing_back_to_side_by_side_goes_unnoticed(takes_turns: str, tmp_path: Path) -> None:
    play("provision", "tiny", tmp_path, handover="side_by_side", keep_warm=False).assert_ok()
    with traffic("tiny") as users:
        play("release", "tiny", tmp_path, handover="side_by_side", keep_warm=False).assert_ok()
        users.wait(6)
    users.report().assert_clean(minimum_requests=300)
    assert_ends_with(users.report(), takes_turns, current("tiny"))
    assert mode("tiny") == {"ActiveState": "inactive", "LoadState": "not-found", "live": f"{current('tiny')}.sock"}
    assert running("tiny") == {current("tiny")}
    assert podman_exec("tiny", "test", "-e", "/run/demo/demo.sock", check=False).returncode == 1
