# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep two deploys of one app apart, with a lock that dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from .errors import ReleaseError


@contextlib.contextmanager
def hold(path: Path, what: str, by: str, patience: float) -> Iterator[None]:
    """Hold the lock file ``path`` while the block runs.

    ``what`` and ``by`` are written into it for whoever is kept out. Waits up to
    ``patience`` seconds, then raises ``ReleaseError`` naming the holder. The kernel
    drops the lock when the holding process ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as handle:
        _wait(handle, path, patience)
        handle.truncate(0)
        since = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        json.dump({"what": what, "by": by, "since": since, "pid": os.getpid()}, handle)
        handle.flush()
        yield


def _wait(handle: IO[str], path: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise ReleaseError(_kept_out(path)) from None
            time.sleep(0.2)


def holder(path: Path) -> dict[str, str] | None:
    """Say who holds the lock now, or ``None``; never takes it for longer than the look."""
    try:
        with path.open("r", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _read(path)
    except OSError:
        pass
    return None


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    return {key: str(found.get(key, "unknown")) for key in ("what", "by", "since", "pid")}


def _kept_out(path: Path) -> str:
    by = _read(path)
    return (
        f"another run is at work: {by['what']} by {by['by']} since {by['since']} (process {by['pid']} on this host). "
        f"Nothing was touched. Wait for it; if it hangs, end that process and the lock is free"
    )
