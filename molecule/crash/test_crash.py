# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy that is cut off, wherever that happens: what served still serves, and the next run heals the host.

The moments are found by watching the host, never by waiting for a number of seconds.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.playbooks import (
    DOMAIN,
    Result,
    address,
    answering,
    container,
    finish_playbook,
    podman_exec,
    reboot,
    run_playbook,
    serving,
    start_playbook,
    variant,
    write_inventory,
)
from support.traffic import Traffic

CRASH, FULL = "crash", "full"
LOCK = "/run/lock/webstack-demo.lock"
DRAIN_SECONDS = 4
SLOW_START = (
    "app = FastAPI(",
    """async def wait() -> None:
    await asyncio.sleep(4)


app = FastAPI(on_startup=[wait], """,
)
# A busy or halted host may take its time, too.
SLOW_CHECK = [{"name": "slow", "path": "/slow?seconds=5", "max_seconds": 60}]

# How the host looks at each moment, as a shell condition; $OLD is the release that serves, MARK is older than the run.
MOMENTS = {
    "units written": "test /etc/systemd/system/demo@.service -nt /run/mark",
    "virtualenv half built": "systemctl is-active --quiet demo-build.service",
    "started, not yet switched": "ls -d /run/demo/*.sock | grep -v -e $OLD.sock -e live.sock | grep -q .",
    "switched, not yet committed": '[ "$(readlink /run/demo/live.sock)" != $OLD.sock ]',
    "draining": "systemctl is-active --quiet stop-demo-$OLD.timer",
}
"""Which change of the app makes the deploy pass through its moment slowly enough to be seen there."""
CHANGES: dict[str, dict[str, Any]] = {
    "units written": {"start_timeout": 61},
    "switched, not yet committed": {"checks": SLOW_CHECK},
}


def traffic(host: str) -> Traffic:
    return Traffic(f"http://{address(host)}", host=DOMAIN, clients=6, rate=40)


def inventory(directory: Path, host: str, source: Path | None = None, **app: Any) -> Path:
    """Return an inventory in which old releases are stopped, not kept warm, so that they are seen draining."""
    origin = {"source": {"path": str(source)}} if source else {}
    settings = {"keep_warm": False, "drain_seconds": DRAIN_SECONDS, **origin, **app}
    return write_inventory(directory / "inventory", host, settings)


def new_dependencies(directory: Path, version: str, *edits: tuple[str, str]) -> Path:
    """Return the demo app with a new version, for which a virtualenv has to be built."""
    source = variant(directory, version=version, edits={"demo/main.py": edits} if edits else None)
    with (source / "pyproject.toml").open("a", encoding="utf-8") as handle:
        handle.write(f"# {version}\n")
    return source


def wait_for(host: str, condition: str, seconds: int = 60) -> None:
    """Wait on the host itself, so that a moment of a few hundredths of a second is seen."""
    loop = f"until {condition}; do sleep 0.02; done"
    seen = podman_exec(host, "timeout", str(seconds), "sh", "-c", loop, check=False)
    assert seen.returncode == 0, f"never seen on {host} in {seconds} s: {condition}"


def catch(deploy: subprocess.Popen[str], host: str, moment: str) -> None:
    """Wait until a deploy has come to a moment; one that ends before fails the test with what it said."""
    loop = f"until {moment}; do sleep 0.02; done"
    watcher = subprocess.Popen(["podman", "exec", container(host), "timeout", "300", "sh", "-c", loop])
    while watcher.poll() is None and deploy.poll() is None:
        time.sleep(0.02)
    if watcher.poll() != 0:
        pytest.fail(f"not seen: {moment}\n{finish_playbook(deploy).stdout[-4000:]}")


def current(host: str) -> str:
    release = serving(host).current
    assert release is not None
    return release


def version_of(host: str, release: str) -> str:
    text = podman_exec(host, "cat", f"/srv/demo/releases/{release}/src/demo/version.py").stdout
    return text.split('"')[1]


def kill_controller(process: subprocess.Popen[str]) -> None:
    """SIGKILL ansible-playbook and all that it started here: the last thing the host hears of it."""
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        member.kill()
    finish_playbook(process)


def signal_module(host: str, signal: str) -> None:
    """Send a signal to what works on the host for a controller, if anything does: it holds the lock."""
    holder = f"sed -n 's/.*\"pid\": \\([0-9]*\\).*/\\1/p' {LOCK}"
    podman_exec(host, "sh", "-c", f"[ ! -e {LOCK} ] || flock --nonblock {LOCK} true || kill -{signal} $({holder})")


def assert_healed(host: str) -> None:
    """What is committed serves, alone; nothing unfinished and nothing temporary is left."""
    release = current(host)
    wait_for(host, f'[ "$({LIST_RUNNING})" = demo@{release}.service ]', seconds=60)
    assert serving(host).live == release
    assert podman_exec(host, "sh", "-c", LEFT_OVERS).stdout.split() == []
    units = "systemctl list-units --all --plain --no-legend"
    for pattern in ("--failed", "demo-*", "stop-demo-*"):
        wait_for(host, f'[ -z "$({units} {pattern})" ]', seconds=30)
    outdated = podman_exec(host, "systemctl", "show", "demo@*", "--property=NeedDaemonReload", "--value").stdout
    assert outdated.split() == ["no"]
    podman_exec(host, "flock", "--nonblock", LOCK, "true")


LIST_RUNNING = "systemctl list-units --plain --no-legend 'demo@*' | cut -d' ' -f1"
"""Releases without release.json, virtualenvs without their marker, temporary names."""
LEFT_OVERS = """cd /srv/demo
for release in releases/*; do [ -e $release/release.json ] || echo $release; done
for venv in venvs/*; do [ -e $venv/.complete ] || echo $venv; done
find . -maxdepth 2 -name '.*.new'
"""


# --- the controller killed --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def first_deploy(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The first deploy of a host, after one that was killed while it installed packages."""
    hosts = inventory(tmp_path_factory.mktemp("first"), CRASH)
    if podman_exec(CRASH, "test", "-e", "/srv/demo/current", check=False).returncode:
        cut_off = start_playbook("deploy", hosts)
        catch(cut_off, CRASH, "pgrep --exact dpkg >/dev/null")
        kill_controller(cut_off)
    return run_playbook("deploy", hosts)


@pytest.fixture
def serves(first_deploy: Result) -> str:
    """The release that serves on the host before a test."""
    first_deploy.assert_ok()
    return current(CRASH)


def test_a_first_deploy_that_was_cut_off_is_taken_up_again(first_deploy: Result) -> None:
    first_deploy.assert_ok()
    assert_healed(CRASH)


@pytest.mark.parametrize(
    ("moment", "module"),
    [
        *((moment, "module killed as well") for moment in MOMENTS),
        ("virtualenv half built", "module left alone"),
        ("switched, not yet committed", "module left alone"),
    ],
)
def test_a_killed_deploy_harms_nobody_and_the_next_heals(serves: str, tmp_path: Path, moment: str, module: str) -> None:
    version = f"{moment}, {module}".replace(" ", "-").replace(",", "")
    slow = [SLOW_START] if moment == "started, not yet switched" else []
    hosts = inventory(tmp_path, CRASH, new_dependencies(tmp_path / "new", version, *slow), **CHANGES.get(moment, {}))
    podman_exec(CRASH, "touch", "/run/mark")

    with traffic(CRASH) as users:
        deploy = start_playbook("deploy" if moment == "units written" else "release", hosts)
        catch(deploy, CRASH, MOMENTS[moment].replace("$OLD", serves))
        kill_controller(deploy)
        if module == "module killed as well":
            signal_module(CRASH, "KILL")
        users.wait(2)  # what is left of the deploy has this long to do harm
        podman_exec(CRASH, "flock", "--timeout", "60", LOCK, "true")
        run_playbook("deploy", hosts).assert_ok()
        users.wait(DRAIN_SECONDS + 1)
        # Not the order in which releases answered: one that was away for a moment is not listed twice.
        assert answering(users) == {current(CRASH)}
    users.report().assert_clean(minimum_requests=500)
    assert version_of(CRASH, current(CRASH)) == version
    assert_healed(CRASH)


# --- the host rebooted ------------------------------------------------------------------------------------------


def few_requests(host: str) -> list[str]:
    with traffic(host) as users:
        users.wait(2)
    users.report().assert_clean(minimum_requests=100)
    return users.report().releases


def test_a_reboot_brings_back_what_served(serves: str) -> None:
    reboot(CRASH)
    assert few_requests(CRASH) == [serves]
    assert_healed(CRASH)


def test_a_reboot_before_the_commit_brings_back_the_old_release(serves: str, tmp_path: Path) -> None:
    hosts = inventory(tmp_path, CRASH, variant(tmp_path / "new", version="reboot"), checks=SLOW_CHECK)
    deploy = start_playbook("deploy", hosts)
    catch(deploy, CRASH, MOMENTS["switched, not yet committed"].replace("$OLD", serves))
    reboot(CRASH)
    assert finish_playbook(deploy).rc != 0
    assert few_requests(CRASH) == [serves]

    run_playbook("deploy", hosts).assert_ok()
    assert few_requests(CRASH) == [current(CRASH)]
    assert version_of(CRASH, current(CRASH)) == "reboot"
    assert_healed(CRASH)


# --- two deploys at once ----------------------------------------------------------------------------------------


def test_two_deploys_at_once_end_in_one_of_the_two(serves: str, tmp_path: Path) -> None:
    sources = {name: variant(tmp_path / name, version=name) for name in ("left", "right")}
    with traffic(CRASH) as users:
        running = {
            name: start_playbook("deploy", inventory(tmp_path / f"of-{name}", CRASH, source))
            for name, source in sources.items()
        }
        results = {name: finish_playbook(process) for name, process in running.items()}
        users.wait(DRAIN_SECONDS + 1)
    users.report().assert_clean(minimum_requests=200)
    done = [name for name, result in results.items() if result.rc == 0]
    assert done, results
    for name in set(results) - set(done):
        results[name].assert_failed("another run is at work")
    assert users.report().versions[-1] == version_of(CRASH, current(CRASH))
    assert version_of(CRASH, current(CRASH)) in done
    assert serves in users.report().releases
    assert_healed(CRASH)


def test_who_comes_second_is_told_who_holds_the_lock(serves: str, tmp_path: Path) -> None:
    first = inventory(tmp_path / "first", CRASH, variant(tmp_path / "one", version="one"), checks=SLOW_CHECK)
    second = inventory(tmp_path / "second", CRASH, variant(tmp_path / "two", version="two"))
    with traffic(CRASH) as users:
        holder = start_playbook("deploy", first)
        catch(holder, CRASH, MOMENTS["switched, not yet committed"].replace("$OLD", serves))
        signal_module(CRASH, "STOP")
        refused = run_playbook("release", second, {"gunicorn_app_lock_timeout": 1})
        signal_module(CRASH, "CONT")
        finish_playbook(holder).assert_ok()
        users.wait(DRAIN_SECONDS + 1)
    refused.assert_failed("another run is at work", "deploy of", os.uname().nodename)
    users.report().assert_clean(minimum_requests=200)
    assert version_of(CRASH, current(CRASH)) == "one"
    assert_healed(CRASH)


# --- the disk full ----------------------------------------------------------------------------------------------


@pytest.fixture
def fillable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A host that serves from a disk small enough to fill; afterwards it has room again."""
    run_playbook("deploy", inventory(tmp_path_factory.mktemp("full"), FULL)).assert_ok()
    yield current(FULL)
    podman_exec(FULL, "rm", "-f", "/srv/filler")


def fill(leave_mb: int) -> None:
    free = f"$(df --output=avail --block-size=1 /srv | tail -1) - {leave_mb} * 1024 * 1024"
    podman_exec(FULL, "sh", "-c", f"fallocate --length $(( {free} )) /srv/filler")


def test_a_full_disk_stops_the_build_and_nothing_else(fillable: str, tmp_path: Path) -> None:
    hosts = inventory(tmp_path, FULL, new_dependencies(tmp_path / "new", "2.0.0"))
    with traffic(FULL) as users:
        fill(leave_mb=10)
        run_playbook("deploy", hosts).assert_failed("the disk is full")
        assert current(FULL) == fillable
        assert_healed(FULL)
        podman_exec(FULL, "rm", "/srv/filler")
        run_playbook("deploy", hosts).assert_ok()
        users.wait(DRAIN_SECONDS + 1)
    report = users.report()
    report.assert_clean(minimum_requests=500)
    assert report.releases == [fillable, current(FULL)]
    assert_healed(FULL)


def test_a_rollback_needs_no_free_byte(fillable: str, tmp_path: Path) -> None:
    run_playbook("deploy", inventory(tmp_path, FULL, variant(tmp_path / "bad", version="bad"))).assert_ok()
    bad = current(FULL)
    with traffic(FULL) as users:
        fill(leave_mb=0)
        run_playbook("rollback", inventory(tmp_path, FULL)).assert_ok()
        users.wait(DRAIN_SECONDS + 1)
    users.report().assert_clean(minimum_requests=200)
    assert users.report().releases == [bad, fillable]
    assert_healed(FULL)
