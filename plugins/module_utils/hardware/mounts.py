# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .tree import LONG_READ_LIMIT, Tree

_OCTAL = re.compile(r"\\([0-7]{3})")
_MAX_MOUNTS = 20_000


@dataclass(frozen=True)
class Mount:
    """One line of /proc/self/mountinfo. ``root`` is the part of the file system that is mounted."""

    mount_point: str
    fstype: str
    source: str
    root: str = "/"
    device_number: str | None = None
    super_options: tuple[str, ...] = ()


def parse_mountinfo(tree: Tree) -> tuple[Mount, ...]:
    """Return all mounts in order; from /proc/mounts where mountinfo is absent; empty without either."""
    text = tree.text("proc/self/mountinfo", LONG_READ_LIMIT)
    if text is not None:
        mounts = [_from_mountinfo(line) for line in text.splitlines()[:_MAX_MOUNTS]]
    else:
        text = tree.text("proc/self/mounts", LONG_READ_LIMIT) or tree.text("proc/mounts", LONG_READ_LIMIT) or ""
        mounts = [_from_mounts(line) for line in text.splitlines()[:_MAX_MOUNTS]]
    return tuple(mount for mount in mounts if mount is not None)


def _from_mountinfo(line: str) -> Mount | None:
    """Read "ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [TAGS] - FSTYPE SOURCE SUPEROPTIONS" (proc_pid_mountinfo(5))."""
    left, dash, right = line.partition(" - ")
    fields, types = left.split(), right.split()
    if not dash or len(fields) < 6 or len(types) < 2 or not fields[4].startswith("/"):
        return None
    return Mount(
        mount_point=_unescape(fields[4]),
        fstype=types[0],
        source=_unescape(types[1]),
        root=_unescape(fields[3]),
        device_number=fields[2],
        super_options=tuple(types[2].split(",")) if len(types) > 2 else (),
    )


def _from_mounts(line: str) -> Mount | None:
    fields = line.split()
    if len(fields) < 4 or not fields[1].startswith("/"):
        return None
    return Mount(
        mount_point=_unescape(fields[1]),
        fstype=fields[2],
        source=_unescape(fields[0]),
        super_options=tuple(fields[3].split(",")),
    )


def _unescape(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
