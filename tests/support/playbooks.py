# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the real playbooks on a test host, with the demo app as it is or changed.

source = variant(tmp_path / "two", version="2.0.0")
inventory = write_inventory(tmp_path / "inventory", "handover", {"source": {"path": str(source)}})
run_playbook("deploy", inventory).assert_ok()
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .traffic import Traffic

CHECKOUT = Path(__file__).resolve().parents[2]
DEMO_APP = CHECKOUT / "tests" / "apps" / "demo"
DOMAIN = "demo.example.test"
TIMEOUT_SECONDS = 900
SETTLE_SECONDS = 2.0
"""nginx uses its connections to the old release for one more second after a hand-over."""
RECAP = re.compile(r"^(\S+)\s+: (ok=\d+.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """How a playbook ended. ``recap`` gives each host's counts: ``recap["handover"]["changed"]``."""

    command: str
    rc: int
    stdout: str
    stderr: str

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        return {
            host: {name: int(count) for name, count in (word.split("=") for word in counts.split())}
            for host, counts in RECAP.findall(self.stdout)
        }

    @property
    def said(self) -> str:
        """The output as one line: where Ansible prints YAML, it folds long messages and doubles quotes."""
        return " ".join((self.stdout + self.stderr).split()).replace("''", "'")

    def assert_ok(self) -> Result:
        assert self.rc == 0, f"exit code {self.rc}: {self.command}\n{self.stdout[-6000:]}\n{self.stderr[-2000:]}"
        return self

    def assert_failed(self, *words: str) -> Result:
        """Demand an exit code other than 0 and every one of ``words`` in the output."""
        assert self.rc != 0, f"did not fail: {self.command}\n{self.stdout[-6000:]}"
        missing = [word for word in words if word not in self.stdout + self.stderr and word not in self.said]
        assert not missing, f"the output does not say {missing}: {self.command}\n{self.stdout[-6000:]}"
        return self


def start_playbook(
    name: str,
    inventory: Path,
    extra_vars: Mapping[str, Any] | None = None,
    *,
    check: bool = False,
    diff: bool = False,
    verbosity: int = 0,
    limit: str = "",
) -> subprocess.Popen[str]:
    """Start ``playbooks/NAME.yml`` in a session of its own, so that a test can kill it with all its children."""
    options = ["--check"] * check + ["--diff"] * diff + ["-v"] * verbosity + ["--limit", limit] * bool(limit)
    return subprocess.Popen(
        _command(name, inventory, extra_vars, options),
        cwd=CHECKOUT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish_playbook(process: subprocess.Popen[str], timeout: float = TIMEOUT_SECONDS) -> Result:
    """Wait for a started playbook; it does not outlive a test that is interrupted or out of time."""
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    assert isinstance(process.args, list)
    return Result(" ".join(map(str, process.args)), process.returncode, stdout, stderr)


def run_playbook(
    name: str,
    inventory: Path,
    extra_vars: Mapping[str, Any] | None = None,
    *,
    check: bool = False,
    diff: bool = False,
    verbosity: int = 0,
    limit: str = "",
) -> Result:
    """Run ``playbooks/NAME.yml`` to its end; it is the caller who judges the result."""
    return finish_playbook(
        start_playbook(name, inventory, extra_vars, check=check, diff=diff, verbosity=verbosity, limit=limit)
    )


def _command(name: str, inventory: Path, extra_vars: Mapping[str, Any] | None, options: Sequence[str]) -> list[str]:
    playbook = CHECKOUT / "playbooks" / f"{name}.yml"
    ansible = Path(sys.executable).with_name("ansible-playbook")  # the one of this virtualenv
    variables = ["--extra-vars", json.dumps(extra_vars)] if extra_vars else []
    return [str(ansible), "--inventory", str(inventory), *options, *variables, str(playbook)]


def clean_environment() -> dict[str, str]:
    """Return an environment in which only the checkout's ansible.cfg counts, not what Molecule has set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))}
    return {**kept, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}


def write_inventory(
    directory: Path,
    host: str,
    app: Mapping[str, Any] | None = None,
    *,
    groups: Sequence[str] = ("app", "proxy"),
    variables: Mapping[str, Any] | None = None,
) -> Path:
    """Write (again) an inventory directory with one test host and the demo app, ``app`` changing its entry.

    ``variables`` are the host's other variables; given ``webstack_apps`` they replace the demo app.
    """
    directory.mkdir(parents=True, exist_ok=True)
    hosts = {"hosts": {host: None}}
    connection = {
        "ansible_connection": "podman_pipelined",
        "ansible_host": container(host),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    demo = {
        "name": "demo",
        "source": {"path": str(DEMO_APP)},
        "entrypoint": "demo.main:app",
        "domain": DOMAIN,
        "health": "/health",
        **(app or {}),
    }
    everything = {**connection, "webstack_apps": [demo], **(variables or {})}
    # JSON is YAML.
    content = {"all": {"children": dict.fromkeys(groups, hosts), "vars": everything}}
    (directory / "hosts.yml").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return directory


def variant(
    destination: Path,
    version: str | None = None,
    edits: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    files: Mapping[str, str] | None = None,
) -> Path:
    """Copy the demo app and change it: its version, text in files (``{file: [(old, new)]}``), whole files."""
    shutil.copytree(DEMO_APP, destination, ignore=shutil.ignore_patterns("__pycache__"))
    if version:
        (destination / "demo" / "version.py").write_text(f'VERSION = "{version}"\n', encoding="utf-8")
    for name, replacements in (edits or {}).items():
        text = (destination / name).read_text(encoding="utf-8")
        for old, new in replacements:
            assert old in text, f"{name} of the demo app has no {old!r} to replace"
            text = text.replace(old, new)
        (destination / name).write_text(text, encoding="utf-8")
    for name, text in (files or {}).items():
        (destination / name).write_text(text, encoding="utf-8")
    return destination


def container(host: str) -> str:
    return f"webstack-{host}"


def podman_exec(host: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as root on a test host; unless it succeeds, or ``check`` is false, the test fails."""
    done = subprocess.run(
        ["podman", "exec", container(host), *command], capture_output=True, text=True, errors="replace", check=False
    )
    if check:
        assert done.returncode == 0, f"{' '.join(command)} on {host}: exit code {done.returncode}\n{done.stderr}"
    return done


def reboot(host: str, seconds: float = 60) -> None:
    """Cut a test host's power, and wait until it has booted again; its address may change."""
    subprocess.run(["podman", "restart", container(host)], capture_output=True, check=True)
    end, state = time.monotonic() + seconds, ""
    while state not in ("running", "degraded"):  # at first systemd cannot even be asked
        assert time.monotonic() < end, f"{host} has not booted after {seconds} s"
        state = podman_exec(host, "systemctl", "is-system-running", "--wait", check=False).stdout.strip()
    failed = podman_exec(host, "systemctl", "--failed", "--plain", "--no-legend").stdout
    assert state == "running", f"{host} has booted, but: {failed}"


def address(host: str) -> str:
    """Return a test host's address on the test network; a reboot may change it."""
    template = "{{.NetworkSettings.Networks.webstack.IPAddress}}"
    command = ["podman", "inspect", "--format", template, container(host)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@dataclass(frozen=True)
class Serving:
    """What serves an app: the committed release, the one behind the live socket, each unit with its main process."""

    current: str | None
    live: str | None
    processes: dict[str, int]


def serving(host: str, app: str = "demo") -> Serving:
    """Look what serves an app on a test host; two looks are equal when nothing was switched or restarted."""
    links = [podman_exec(host, "readlink", link, check=False).stdout.strip() for link in _links(app)]
    shown = podman_exec(host, "systemctl", "show", f"{app}@*.service", "--property=Id,MainPID").stdout
    units = (dict(line.split("=", 1) for line in block.splitlines()) for block in shown.split("\n\n"))
    processes = {unit["Id"]: int(unit["MainPID"]) for unit in units if int(unit.get("MainPID", 0))}
    current, live = (Path(link).name.removesuffix(".sock") or None for link in links)
    return Serving(current, live, processes)


def _links(app: str) -> tuple[str, str]:
    return f"/srv/{app}/current", f"/run/{app}/live.sock"


def answering(traffic: Traffic) -> set[str]:
    """Return the releases that answer by now, for one second, when the last hand-over has settled."""
    traffic.wait(SETTLE_SECONDS)
    before = traffic.report().answers_by_release
    traffic.wait(1.0)
    after = traffic.report().answers_by_release
    return {release for release, count in after.items() if count > before.get(release, 0)}
