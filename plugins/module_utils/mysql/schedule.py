# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the program that takes backups on a host, and the timer that runs it."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

# Named here so that Ansible ships it to the host: the program is made of it.
from . import program
from .backup import Store
from .errors import MysqlError

PROGRAM = Path("/usr/local/sbin/webstack-mysql")
HOME = Path("/opt/webstack/mysql")
UNITS = Path("/etc/systemd/system")
SERVICE, TIMER = "webstack-mysql-backup.service", "webstack-mysql-backup.timer"
SOURCES = ("__init__.py", "backup.py", "connection.py", "dump.py", "errors.py", "program.py", "server.py")

_WRAPPER = f'''\
#!/usr/bin/python3
# Managed by Ansible (rightsize.webstack). webstack-mysql backup | list | restore NAME
import sys
from dataclasses import asdict
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, "{HOME}")

from webstack_mysql.program import main

sys.exit(main(Path("{HOME}/config.json")))
'''


def configuration(store: Store, keep: int) -> dict[str, Any]:
    """Return what the program is told: where, of what, how many, and how to log in."""
    return {
        "folder": str(store.folder),
        "keep": keep,
        "databases": list(store.databases),
        "login": asdict(store.login),
    }


def files(config: Mapping[str, Any], service: str, timer: str) -> dict[Path, tuple[str, int]]:
    """Return the text and mode of every file. The configuration may have a password."""
    sources = {HOME / "webstack_mysql" / name: (_source(name), 0o644) for name in SOURCES}
    return {
        **sources,
        HOME / "config.json": (json.dumps(config, indent=2, sort_keys=True) + "\n", 0o600),
        PROGRAM: (_WRAPPER, 0o755),
        UNITS / SERVICE: (service, 0o644),
        UNITS / TIMER: (timer, 0o644),
    }


def _source(name: str) -> str:
    data = pkgutil.get_data(program.__package__ or "", name)
    if data is None:
        raise MysqlError(f"{name} of this collection cannot be read; install the collection again")
    return data.decode()


def install(config: Mapping[str, Any], service: str, timer: str, scheduled: bool, check_mode: bool) -> dict[str, Any]:
    """Write what differs and let the timer run, or not. Returns what changed, with a diff that has no secret."""
    wanted = files(config, service, timer)
    there = {path: _read(path) for path in wanted}
    stale = [path for path, known in wanted.items() if there[path] != known]
    runs = {"ActiveState=active", "UnitFileState=enabled"} <= set(_systemctl("show", TIMER).split())
    if not check_mode:
        for path in stale:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            _write(path, *wanted[path])
        if any(path.parent == UNITS for path in stale):
            _systemctl("daemon-reload")
        if runs != scheduled:
            _systemctl("enable" if scheduled else "disable", "--now", TIMER, check=True)
        elif scheduled and UNITS / TIMER in stale:
            _systemctl("restart", TIMER, check=True)
    shown = [
        {
            "before_header": str(path),
            "after_header": str(path),
            "before": (there[path] or ("", 0))[0],
            "after": wanted[path][0],
        }
        for path in stale
        if path.parent == UNITS
    ]
    failed = scheduled and "ActiveState=failed" in _systemctl("show", SERVICE).split()
    return {"changed": bool(stale) or runs != scheduled, "last_failed": failed, "diff": shown}


def _systemctl(*arguments: str, check: bool = False) -> str:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise MysqlError(f"systemctl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _read(path: Path) -> tuple[str, int] | None:
    try:
        return path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777
    except OSError:
        return None


def _write(path: Path, content: str, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.chmod(mode)
    temporary.replace(path)
