# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host has: files, units, processes and the firewall's table; and how to change it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..files import write_atomically
from .errors import MetricsError

TABLE = ("inet", "webstack_metrics")


@dataclass(frozen=True)
class Unit:
    """What systemd says of a unit. ``argv`` is the command line of its main process, empty without one."""

    known: bool
    active: str
    enabled: bool
    needs_reload: bool
    argv: tuple[str, ...] = ()


def unit(name: str) -> Unit:
    """Look at a unit; one that systemd does not know is inactive."""
    keys = ("LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload", "MainPID")
    lines = systemctl("show", name, "--property=" + ",".join(keys), check=False).splitlines()
    shown = dict(line.split("=", 1) for line in lines if "=" in line)
    return Unit(
        known=shown.get("LoadState") == "loaded",
        active=shown.get("ActiveState", "inactive"),
        enabled=shown.get("UnitFileState") == "enabled",
        needs_reload=shown.get("NeedDaemonReload") == "yes",
        argv=_argv(int(shown.get("MainPID") or 0)),
    )


def _argv(pid: int) -> tuple[str, ...]:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes() if pid else b""
    except OSError:
        return ()
    return tuple(word.decode("utf-8", "replace") for word in words.split(b"\0"))


def systemctl(*arguments: str, check: bool = True) -> str:
    """Run systemctl and return what it printed. Raises ``MetricsError`` when ``check`` and it failed."""
    return run(["systemctl", *arguments], check)


def run(command: Sequence[str], check: bool = True) -> str:
    """Run a command and return what it printed; nothing when it is not there. Raises ``MetricsError`` as above."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError:
        if check:
            raise MetricsError(f"{command[0]} is not there; install its package") from None
        return ""
    if check and done.returncode:
        raise MetricsError(f"{' '.join(command)} failed", done.stderr.splitlines()[-5:])
    return done.stdout


def journal(name: str, lines: int = 6) -> list[str]:
    """Return a unit's last lines in the journal."""
    return run(["journalctl", "--unit", name, "--output=cat", "--no-pager", f"--lines={lines}"], False).splitlines()


def loaded_rules() -> str:
    """Return our table of the running firewall; empty when it is not loaded."""
    return run(["nft", "list", "table", *TABLE], check=False)


def read(path: Path) -> tuple[str, int] | None:
    """Return a file's text and mode; ``None`` when it is not there."""
    try:
        return path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777
    except OSError:
        return None


def write(path: Path, text: str, mode: int) -> None:
    """Replace a file at once, and make its directory if it is not there."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_atomically(path, text, mode)


def remove(path: Path) -> None:
    """Remove a file, and its directory where that is a unit's and empty now."""
    path.unlink(missing_ok=True)
    if path.parent.name.endswith((".service.d", ".timer.d")):
        with contextlib.suppress(OSError):
            path.parent.rmdir()
