# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of a running app: its worker processes and the memory that it may use."""

from __future__ import annotations

import time
from pathlib import Path

from .systemd import systemctl

# A limit of the version 1 hierarchy that is not set reads as the largest multiple of a page.
UNLIMITED = 1 << 62


def children(pid: int, proc: Path = Path("/proc")) -> list[int]:
    """Return the processes whose parent is ``pid``, dead ones that wait to be reaped left out."""
    processes = (entry for entry in proc.iterdir() if entry.name.isdecimal())
    return sorted(int(entry.name) for entry in processes if _living_parent(entry / "stat") == pid)


def _living_parent(stat: Path) -> int | None:
    try:
        # The second field is the program's name in parentheses, which may have any character.
        state, parent = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:2]
        return int(parent) if state not in ("Z", "X") else None
    except (OSError, ValueError):  # it has ended meanwhile
        return None


def count_workers(main_pid: int, wanted: int | None = None, patience: float = 5.0) -> int:
    """Count gunicorn's workers, which are the children of its main process.

    While there are not as many as ``wanted``, look again for ``patience`` seconds: gunicorn may be replacing one.
    """
    end = time.monotonic() + patience
    while True:
        count = len(children(main_pid))
        if wanted in (None, count) or time.monotonic() > end:
            return count
        time.sleep(0.2)


def slice_memory_max_mb(app: str) -> int | None:
    """Return what the kernel lets all releases of an app use together (MiB); ``None`` when it sets no limit."""
    group = systemctl("show", f"{app}.slice", "--property=ControlGroup", "--value", check=False).stdout.strip()
    return memory_max_mb(group) if group else None


def memory_max_mb(group: str, cgroups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return a control group's own memory limit (MiB), in either version's hierarchy; ``None`` when it has none."""
    name = group.lstrip("/")
    for limit in (cgroups / name / "memory.max", cgroups / "memory" / name / "memory.limit_in_bytes"):
        try:
            value = limit.read_text(encoding="ascii").strip()
        except OSError:
            continue
        return int(value) >> 20 if value.isdecimal() and int(value) < UNLIMITED else None
    return None
