# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recommendation guide's story: the same data before it, and after indexes, pooling and workers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from support.examples import write_example
from support.playbooks import address, podman_exec, run_playbook, serving

APP = "recomendaciones"
HOSTS = {"feed": "story", "feed-db": "story-db"}
SPECS = [{"name": name, "memory": "2g", "cpus": 2} for name in HOSTS.values()]
PHASES = ("indexes", "pooling", "workers")
CLIENTS = 16
SECRETS = {"FEED_DATABASE_PASSWORD": "bench0123456789", "FEED_OWNER_PASSWORD": "owner0123456789"}

Playbook = Callable[[str, Sequence[Mapping[str, Any]]], None]


def story(scratch: Path, playbook: Playbook, seconds: int, rounds: int) -> dict[str, Any]:
    """Deploy phase after phase, and load each with as many requests as it answers."""
    os.environ.update(SECRETS)
    playbook("destroy", SPECS)
    playbook("create", SPECS)
    try:
        steps = {}
        for count, name in enumerate(("before", *PHASES)):
            inventory = write_example(scratch / name, APP, _change(PHASES[:count]), HOSTS)
            run_playbook("deploy", inventory).assert_ok()
            steps[name] = _measure(seconds, rounds)
            print(f"  {name}: {steps[name]}", flush=True)
        return steps
    finally:
        playbook("destroy", SPECS)


def _change(phases: Sequence[str]) -> Callable[[dict[str, Any]], None]:
    def changed(variables: dict[str, Any]) -> None:
        addresses = {f"{name.replace('-', '_')}_address": address(host) for name, host in HOSTS.items()}
        variables.update(phases=list(phases), **addresses)
        (app,) = variables["webstack_apps"]
        app["migrate"].append(f"python -m {APP}.seed")
        app["rate_limits"] = []  # the load comes from one address

    return changed


def _measure(seconds: int, rounds: int) -> dict[str, Any]:
    release = serving(HOSTS["feed"], APP).current
    config = podman_exec(HOSTS["feed"], "cat", f"/srv/{APP}/releases/{release}/etc/gunicorn.conf.py").stdout
    workers = re.search(r"^workers = (\d+)$", config, re.MULTILINE)
    if not workers:
        raise RuntimeError(f"no workers in:\n{config}")
    _load(2)
    found = [_load(seconds) for _unused in range(rounds)]
    lost = sum(one["bad"] + one["lost"] for one in found)
    if lost:
        raise RuntimeError(f"{lost} requests failed")
    return {
        "workers": int(workers[1]),
        "requests_per_second": [one["requests"] / one["microseconds"] * 1e6 for one in found],
        "p95_ms": [one["p95"] / 1000 for one in found],
    }


def _load(seconds: int) -> Mapping[str, Any]:
    script = str(Path(__file__).with_name("story.lua"))
    command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--timeout", "30s", "-s", script]
    url = f"https://{address(HOSTS['feed'])}/api/search/total"
    done = subprocess.run([*command, url], capture_output=True, text=True, check=True)
    settle(HOSTS["feed-db"])
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    result: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return result


def settle(host: str) -> None:
    """Wait until a host's MariaDB is done with what wrk has walked away from: the next load would come on top of it."""
    asked = "SELECT COUNT(*) FROM information_schema.processlist WHERE db IS NOT NULL AND command <> 'Sleep'"
    quiet = 0
    for _unused in range(120):
        # More than once: between two of its queries a request looks idle as well.
        quiet = quiet + 1 if podman_exec(host, "mariadb", "-NBe", asked).stdout.strip() == "0" else 0
        if quiet == 3:
            return
        time.sleep(0.5)
    raise RuntimeError("the server is still busy with the load before, a minute later")
