# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel's control groups say of a test host's memory, with version 1 and with version 2 of them.

held = memory_of("stack", ["mariadb.service", "redis-server.service"])["mariadb.service"].held_mb
assert killed_for_memory("stack") == []
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .playbooks import podman_exec

#: The whole host, beside its units.
WHOLE = "/"
#: Runs on the host: one line of JSON for each look.
LOOK = """
import json, os, subprocess, sys, time
V1 = os.path.isdir("/sys/fs/cgroup/memory")
BASE = "/sys/fs/cgroup/memory" if V1 else "/sys/fs/cgroup"
HELD = ("total_rss", "total_shmem") if V1 else ("anon", "shmem")
PEAK = "memory.max_usage_in_bytes" if V1 else "memory.peak"
SWAP = ("total_swap",) if V1 else ()
def group(unit):
    if unit == "/":
        return BASE
    shown = subprocess.run(["systemctl", "show", "-P", "ControlGroup", unit], capture_output=True, text=True)
    return BASE + shown.stdout.strip() if shown.stdout.strip() else None
def number(path):
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0
def look(path):
    if path is None or not os.path.isdir(path):
        return {"held": 0, "swap": 0, "peak": 0}
    with open(path + "/memory.stat") as file:
        stat = dict(line.split() for line in file)
    swap = sum(int(stat.get(name, 0)) for name in SWAP) if V1 else number(path + "/memory.swap.current")
    return {"held": sum(int(stat.get(name, 0)) for name in HELD), "swap": swap, "peak": number(path + "/" + PEAK)}
print(json.dumps({unit: look(group(unit)) for unit in sys.argv[1:]}))
"""


@dataclass(frozen=True)
class Memory:
    """MiB of one control group and those in it.

    ``held_mb`` cannot be given back: private memory and shared buffers. ``peak_mb`` is the most that was ever charged,
    files in the page cache included.
    """

    held_mb: int
    swap_mb: int
    peak_mb: int


def memory_of(host: str, units: Sequence[str]) -> dict[str, Memory]:
    """Return the memory of each unit now; ``WHOLE`` is the host's."""
    found = json.loads(podman_exec(host, "python3", "-c", LOOK, *units).stdout)
    return {unit: Memory(*(one[key] >> 20 for key in ("held", "swap", "peak"))) for unit, one in found.items()}


def killed_for_memory(host: str) -> list[str]:
    """Return what the kernel's counters, systemd and the journal say about processes killed for memory."""
    groups = podman_exec(
        host, "find", "/sys/fs/cgroup/", "(", "-name", "memory.oom_control", "-o", "-name", "memory.events", ")",
        "-exec", "grep", "-H", "^oom_kill ", "{}", "+", check=False,
    ).stdout.splitlines()  # fmt: skip
    assert groups, "no control group counts kills here: this proves nothing"
    journal = podman_exec(host, "journalctl", "--no-pager", "--output=cat").stdout.splitlines()
    said = [line for line in journal if re.search(r"out of memory|oom-kill|OOM killer", line, re.IGNORECASE)]
    return [line for line in groups if not line.endswith(" 0")] + said
