# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the playbooks against a playbook with a single ping on the same host, in one run.

    make bench                      (or: python3 tests/bench/speed.py --rounds 5)

Machines are noisy, so both sides of every ratio are measured in each round and the medians compared.
"the app's own start-up" is what the release module spent on starting it until it was healthy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.playbooks import CHECKOUT, clean_environment, podman_exec, serving, variant, write_inventory

HOST = "bench"
START_UP = ("start", "health", "warm up")
PLAYBOOKS = CHECKOUT / "playbooks"
# How many times the wall time of a ping playbook each may take, the app's own start-up apart.
TARGETS = {
    "ping": 0,
    "rollback to warm": 1.5,
    "rollback to cold": 1.5,
    "release of changed code": 6,
    "second deploy": 10,
}
PLAYS = {
    "ping": "ansible.builtin.ping:",
    "setup": "ansible.builtin.setup: {gather_subset: ['!all', '!min', hardware]}",
    "hardware_facts": "rightsize.webstack.hardware_facts:",
}


@dataclass(frozen=True)
class Timed:
    """Seconds of one playbook run, and those of them in which the app itself started."""

    wall: float
    start_up: float


def measure(playbook: Path, inventory: Path, extra_vars: dict[str, object] | None = None) -> Timed:
    """Run one playbook to its end and time it; raises ``RuntimeError`` when it fails."""
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), str(playbook)]
    if extra_vars:
        command += ["--extra-vars", json.dumps(extra_vars)]
    environment = {**clean_environment(), "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    return Timed(wall, start_up(json.loads(done.stdout[done.stdout.index("{") :])))


def start_up(output: dict[str, Any]) -> float:
    """Add up what the release module says of starting the app."""
    results = [task["hosts"].get(HOST, {}) for play in output["plays"] for task in play["tasks"]]
    steps = [step for result in results for step in result.get("steps", [])]
    return sum(float(seconds) for name, seconds in steps if name in START_UP)


def rounds(count: int, scratch: Path) -> dict[str, list[Timed]]:
    """Measure every playbook ``count`` times, one after another in each round."""
    times: dict[str, list[Timed]] = defaultdict(list)
    inventory = write_inventory(scratch / "inventory", HOST, {"source": {"path": str(scratch / "app")}})
    plays = {name: write_play(scratch, name, task) for name, task in PLAYS.items()}
    source = variant(scratch / "app")
    print("deploying for the first time ...", flush=True)
    measure(PLAYBOOKS / "deploy.yml", inventory)
    for number in range(count):
        print(f"round {number + 1} of {count} ...", flush=True)
        for name, play in plays.items():
            times[name].append(measure(play, inventory))
        times["second deploy"].append(measure(PLAYBOOKS / "deploy.yml", inventory))
        (source / "demo" / "version.py").write_text(f'VERSION = "1.{number}.{time.time_ns()}"\n', encoding="utf-8")
        times["release of changed code"].append(measure(PLAYBOOKS / "release.yml", inventory))
        live = serving(HOST).live
        times["rollback to warm"].append(measure(PLAYBOOKS / "rollback.yml", inventory))
        _wait_until_stopped(live)
        times["rollback to cold"].append(measure(PLAYBOOKS / "rollback.yml", inventory, {"to": live}))
    return times


def write_play(scratch: Path, name: str, task: str) -> Path:
    """Write a playbook of one task."""
    path = scratch / f"{name}.yml"
    path.write_text(f"- hosts: all\n  gather_facts: false\n  become: true\n  tasks:\n    - {task}\n", encoding="utf-8")
    return path


def _wait_until_stopped(release: str | None) -> None:
    for _unused in range(120):
        if podman_exec(HOST, "systemctl", "is-active", "--quiet", f"demo@{release}.service", check=False).returncode:
            return
        time.sleep(0.5)
    raise RuntimeError(f"{release} did not stop")


def report(times: dict[str, list[Timed]]) -> list[str]:
    """Return the table: medians, ratios to the ping playbook, and the targets."""
    ping = statistics.median(timed.wall for timed in times["ping"])
    lines = [f"{'playbook':<26}{'median':>9}{'start-up':>10}{'rest / ping':>13}{'target':>9}"]
    for name, target in TARGETS.items():
        wall = statistics.median(timed.wall for timed in times[name])
        own = statistics.median(timed.start_up for timed in times[name])
        ratio = statistics.median((timed.wall - timed.start_up) for timed in times[name]) / ping
        wanted = f"<= {target:g}" if target else ""
        lines.append(f"{name:<26}{wall:>7.2f} s{own:>8.2f} s{ratio:>13.2f}{wanted:>9}")
    facts = statistics.median(timed.wall for timed in times["hardware_facts"])
    setup = statistics.median(timed.wall for timed in times["setup"])
    return [*lines, f"hardware_facts / setup (gather_subset=hardware): {facts / setup:.2f} (target <= 1)"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the playbooks against a ping playbook.")
    parser.add_argument("--rounds", type=int, default=5)
    with tempfile.TemporaryDirectory() as scratch:
        times = rounds(parser.parse_args().rounds, Path(scratch))
    print("\n".join(report(times)))


if __name__ == "__main__":
    main()
