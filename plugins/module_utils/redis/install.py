# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the program that takes backups on a host, and the timer that runs it."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import acl, backup, client, data, errors, program, server
from .errors import RedisError
from .server import systemctl, write

PROGRAM = Path("/usr/local/sbin/webstack-redis")
HOME = Path("/opt/webstack/redis")
UNITS = Path("/etc/systemd/system")
SERVICE, TIMER = "webstack-redis-backup.service", "webstack-redis-backup.timer"
#: What of this package the program consists of: what the module runs and what the timer runs is the same.
PARTS = (acl, backup, client, data, errors, program, server)

_WRAPPER = f'''\
#!/usr/bin/python3
# Managed by Ansible (rightsize.webstack). webstack-redis backup | list | restore NAME
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, "{HOME}")

from webstack_redis.program import main

sys.exit(main(Path("{HOME}/config.json")))
'''


def files(config: Mapping[str, Any], service: str, timer: str) -> dict[Path, tuple[str, int]]:
    """Return the text and mode of every file."""
    names = [f"{part.__name__.rpartition('.')[2]}.py" for part in PARTS]
    sources = {HOME / "webstack_redis" / name: (_source(name), 0o644) for name in names}
    return {
        **sources,
        HOME / "config.json": (json.dumps(config, indent=2, sort_keys=True) + "\n", 0o644),
        PROGRAM: (_WRAPPER, 0o755),
        UNITS / SERVICE: (service, 0o644),
        UNITS / TIMER: (timer, 0o644),
    }


def _source(name: str) -> str:
    data = pkgutil.get_data(__package__ or "", name)
    if data is None:
        raise RedisError(f"{name} of this collection cannot be read; install the collection again")
    return data.decode()


def install(config: Mapping[str, Any], service: str, timer: str, scheduled: bool, check_mode: bool) -> dict[str, Any]:
    """Write what differs and let the timer run, or not. Returns what changed, with a diff."""
    wanted = files(config, service, timer)
    there = {path: _read(path) for path in wanted}
    stale = [path for path, (text, mode) in wanted.items() if there[path] != (text, mode)]
    state = systemctl("show", TIMER, "--property=ActiveState,UnitFileState", check=False)
    runs = "ActiveState=active" in state and "UnitFileState=enabled" in state
    if not check_mode:
        for path in stale:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write(path, *wanted[path])
        if any(path.parent == UNITS for path in stale):
            systemctl("daemon-reload")
        if runs != scheduled:
            systemctl("enable" if scheduled else "disable", "--now", TIMER)
        elif scheduled and UNITS / TIMER in stale:
            systemctl("restart", TIMER)
    shown = [
        {
            "before_header": str(path),
            "after_header": str(path),
            "before": (there[path] or ("", 0))[0],
            "after": wanted[path][0],
        }
        for path in stale
        if path.suffix != ".py" and path != PROGRAM
    ]
    failed = scheduled and "ActiveState=failed" in systemctl("show", SERVICE, "--property=ActiveState", check=False)
    return {"changed": bool(stale) or runs != scheduled, "last_failed": failed, "diff": shown}


def _read(path: Path) -> tuple[str, int] | None:
    try:
        return path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777
    except OSError:
        return None
