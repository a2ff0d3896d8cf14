# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the program that takes a store's backups on a host, and the timer that runs it.

The program is the very code that the modules run, so that what the timer does at night is what was tested by day.
"""

from __future__ import annotations

import json
import pkgutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..files import write_atomically
from .errors import StoreError

UNITS = Path("/etc/systemd/system")
# Below this package, names are the same on the host as here.
_ROOT = __name__.rsplit(".", 2)[0]

_WRAPPER = """\
#!/usr/bin/python3
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, "{home}")

from webstack.{main} import main

sys.exit(main(Path("{home}/config.json")))
"""


@dataclass(frozen=True)
class Program:
    """The command ``webstack-STORE``. ``parts`` are the modules it consists of, the first of which has ``main``."""

    store: str
    parts: tuple[ModuleType, ...]

    @property
    def path(self) -> Path:
        return Path("/usr/local/sbin") / f"webstack-{self.store}"

    @property
    def home(self) -> Path:
        return Path("/opt/webstack") / self.store

    @property
    def service(self) -> str:
        return f"webstack-{self.store}-backup.service"

    @property
    def timer(self) -> str:
        return f"webstack-{self.store}-backup.timer"

    def files(self, config: Mapping[str, Any], service: str, timer: str) -> dict[Path, tuple[str, int]]:
        """Return the text and mode of every file. The configuration may have a password."""
        names = [part.__name__[len(_ROOT) + 1 :] for part in self.parts]
        folder = self.home / "webstack"
        return {
            **{folder / f"{name.replace('.', '/')}.py": (_source(name), 0o644) for name in names},
            self.home / "config.json": (_as_json(config), 0o600),
            self.path: (_WRAPPER.format(home=self.home, main=names[0]), 0o755),
            UNITS / self.service: (service, 0o644),
            UNITS / self.timer: (timer, 0o644),
        }


def _source(name: str) -> str:
    package, _dot, module = f"{_ROOT}.{name}".rpartition(".")
    data = pkgutil.get_data(package, f"{module}.py")
    if data is None:
        raise StoreError(f"{name} of this collection cannot be read; install the collection again")
    return data.decode()


def _as_json(config: Mapping[str, Any]) -> str:
    return json.dumps(config, indent=2, sort_keys=True) + "\n"


def install(
    program: Program, config: Mapping[str, Any], service: str, timer: str, scheduled: bool, check_mode: bool
) -> dict[str, Any]:
    """Write what differs and let the timer run, or not.

    Returns ``changed``, ``last_failed`` (whether the last scheduled backup failed) and a ``diff`` without secrets.
    """
    wanted = program.files(config, service, timer)
    there = {path: _read(path) for path in wanted}
    stale = [path for path, known in wanted.items() if there[path] != known]
    runs = {"ActiveState=active", "UnitFileState=enabled"} <= set(systemctl("show", program.timer).split())
    if not check_mode:
        for path in stale:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_atomically(path, *wanted[path])
        if any(path.parent == UNITS for path in stale):
            systemctl("daemon-reload", check=True)
        if runs != scheduled:
            systemctl("enable" if scheduled else "disable", "--now", program.timer, check=True)
        elif scheduled and UNITS / program.timer in stale:
            systemctl("restart", program.timer, check=True)
    failed = scheduled and "ActiveState=failed" in systemctl("show", program.service).split()
    shown = [
        {
            "before_header": str(path),
            "after_header": str(path),
            "before": _shown(path, (there[path] or ("", 0))[0]),
            "after": _shown(path, wanted[path][0]),
        }
        for path in stale
        if path.suffix != ".py" and path != program.path
    ]
    return {"changed": bool(stale) or runs != scheduled, "last_failed": failed, "diff": shown}


def _shown(path: Path, text: str) -> str:
    """Return a file for a diff: of the configuration only what is no secret."""
    if path.suffix != ".json" or not text:
        return text
    try:
        config = json.loads(text)
    except ValueError:
        return "(damaged)\n"
    if config.get("login", {}).get("password") is not None:
        config["login"]["password"] = "…"
    return _as_json(config)


def systemctl(*arguments: str, check: bool = False) -> str:
    """Run systemctl and return what it printed. Raises ``StoreError`` when ``check`` and it failed."""
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, errors="replace", check=False)
    if check and done.returncode:
        raise StoreError(f"systemctl {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout


def _read(path: Path) -> tuple[str, int] | None:
    try:
        return path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777
    except OSError:
        return None
