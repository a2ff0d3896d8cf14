# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what nginx, gunicorn and the kernel know of this host's apps where prometheus-node-exporter picks it up.

app_metrics.py CONFIG: a JSON object with ``apps`` (by name, each with ``leave_out``, a list of paths that are slow by
nature), ``access_log``, ``output`` and ``state``. A timer runs it; each run counts on from where the last one ended.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

BOUNDS = (0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
#: A line of the access log: what was asked for, how it was answered, how long it took, and which app answered.
LINE = re.compile(
    rb'"path":"(?P<path>(?:[^"\\]|\\.)*)","status":(?P<status>[0-9]{3}),"bytes":[0-9]+,"seconds":(?P<seconds>[0-9.]+),'
    rb'"upstream":"(?:[^"]*, )?unix:/run/(?P<app>[a-z0-9_]+)/'
)
#: What gunicorn says of a worker that did not end by being told to.
FAILURE = r"Worker \(pid:[0-9]+\) (was sent SIG(KILL|ABRT|SEGV|BUS|ILL|FPE)|exited with code [1-9])"
CHUNK = 1 << 22
CGROUPS = Path("/sys/fs/cgroup")
#: A limit of the version 1 hierarchy that is not set reads as the largest multiple of a page.
UNLIMITED = 1 << 62


def main(arguments: list[str]) -> int:
    config = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    state_file, now = Path(config["state"]), int(time.time())
    state = read_state(state_file, now)
    read_log(Path(config["access_log"]), state, config["apps"])
    for name in config["apps"]:
        counts = counts_of(state, name)
        counts["failures"] += failures(name, state["until"], now)
    state["until"] = now
    replace(Path(config["output"]), exposition(state, config["apps"], CGROUPS), 0o644)
    replace(state_file, json.dumps(state), 0o600)
    return 0


def read_state(path: Path, now: int) -> dict:
    """Return what the last run left; the first one begins now, at the end of the log."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"until": now, "inode": None, "offset": 0, "apps": {}}


def counts_of(state: dict, name: str) -> dict:
    fresh = {"status": {}, "buckets": [0] * (len(BOUNDS) + 1), "seconds": 0.0, "failures": 0}
    return state["apps"].setdefault(name, fresh)


def read_log(path: Path, state: dict, apps: dict) -> None:
    """Count the lines since the last run, those of a file that was put aside since then as well."""
    try:
        inode, size = path.stat().st_ino, path.stat().st_size
    except OSError:
        return
    if state["inode"] is None:
        state["inode"], state["offset"] = inode, size
    if state["inode"] != inode:
        aside = path.with_name(path.name + ".1")
        if aside.exists() and aside.stat().st_ino == state["inode"]:
            read_lines(aside, state, apps)
        state["inode"], state["offset"] = inode, 0
    if size < state["offset"]:
        state["offset"] = 0
    read_lines(path, state, apps)


def read_lines(path: Path, state: dict, apps: dict) -> None:
    """Count whole lines from the offset on; what is written half is left for the next run."""
    with path.open("rb") as handle:
        handle.seek(state["offset"])
        while True:
            chunk = handle.read(CHUNK)
            whole = chunk.rfind(b"\n") + 1
            if not whole:
                return
            for found in LINE.finditer(chunk, 0, whole):
                count(found, state, apps)
            state["offset"] += whole
            handle.seek(state["offset"])


def count(found: re.Match, state: dict, apps: dict) -> None:
    name = found["app"].decode()
    if name not in apps:
        return
    counts, status = counts_of(state, name), found["status"].decode()
    counts["status"][status] = counts["status"].get(status, 0) + 1
    path = found["path"].decode("utf-8", "replace")
    if any(path == out or path.startswith(out.rstrip("/") + "/") for out in apps[name].get("leave_out", ())):
        return
    seconds = float(found["seconds"])
    counts["seconds"] += seconds
    counts["buckets"][next((at for at, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))] += 1


def failures(name: str, since: int, until: int) -> int:
    """Return how many workers of an app ended in a way that nobody wanted."""
    command = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--unit={name}@*", f"--grep={FAILURE}"]
    command += [f"--since=@{since}", f"--until=@{until}"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return len(done.stdout.splitlines())


def memory_of(name: str, cgroups: Path) -> tuple[int | None, int | None]:
    """Return what an app's slice uses (without files that may go) and its limit, in bytes."""
    for place, used, limit, idle in (
        (cgroups / f"{name}.slice", "memory.current", "memory.max", "inactive_file"),
        (cgroups / "memory" / f"{name}.slice", "memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file"),
    ):
        try:
            stat = dict(line.split() for line in (place / "memory.stat").read_text(encoding="ascii").splitlines())
            most = (place / limit).read_text(encoding="ascii").strip()
            bytes_used = int((place / used).read_text(encoding="ascii")) - int(stat.get(idle, 0))
        except (OSError, ValueError):
            continue
        return max(0, bytes_used), int(most) if most.isdecimal() and int(most) < UNLIMITED else None
    return None, None


def exposition(state: dict, apps: dict, cgroups: Path) -> str:
    """Return the metrics in Prometheus' text format."""
    requests, seconds, failed, used, limits = [], [], [], [], []
    for name in sorted(apps):
        counts, label = counts_of(state, name), f'app="{name}"'
        for status, number in sorted(counts["status"].items()):
            requests.append(f'webstack_app_requests_total{{{label},status="{status}"}} {number}')
        total = 0
        for bound, number in zip((*map(str, BOUNDS), "+Inf"), counts["buckets"]):
            total += number
            seconds.append(f'webstack_app_request_seconds_bucket{{{label},le="{bound}"}} {total}')
        seconds.append(f"webstack_app_request_seconds_sum{{{label}}} {counts['seconds']:.3f}")
        seconds.append(f"webstack_app_request_seconds_count{{{label}}} {total}")
        failed.append(f"webstack_app_worker_failures_total{{{label}}} {counts['failures']}")
        uses, most = memory_of(name, cgroups)
        used += [] if uses is None else [f"webstack_app_memory_bytes{{{label}}} {uses}"]
        limits += [] if most is None else [f"webstack_app_memory_limit_bytes{{{label}}} {most}"]
    parts = (
        ("webstack_app_requests_total", "counter", "Requests that nginx passed on to the app.", requests),
        ("webstack_app_request_seconds", "histogram", "How long they took, as users saw it.", seconds),
        ("webstack_app_worker_failures_total", "counter", "Workers that crashed or were killed.", failed),
        ("webstack_app_memory_bytes", "gauge", "Memory of all releases of the app.", used),
        ("webstack_app_memory_limit_bytes", "gauge", "Its limit.", limits),
    )
    lines: list[str] = []
    for name, kind, text, samples in parts:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *samples] if samples else []
    return "\n".join(lines) + "\n"


def replace(path: Path, text: str, mode: int) -> None:
    """Write a file at once, so that nobody reads half of it."""
    part = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as handle:
        handle.write(text)
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
