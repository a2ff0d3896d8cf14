# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the exporters of a host to what is wanted, and see that what they watch answers them.

A process carries the digest of its drop-in as the name that it was started under. So a run that died between writing a
file and restarting leaves nothing stale: the next one sees it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from . import host
from .errors import MetricsError
from .exposition import ask, value_of

#: Seconds that an exporter may take from its start to its first answer.
START_SECONDS = 20.0
RULES = Path("/etc/webstack/metrics.nft")


@dataclass(frozen=True, eq=False)
class Exporter:
    """One unit and its files. ``socket`` is where the watched server listens, ``url`` where the metrics are.

    ``up`` names a metric that is there and not 0 when all is well. Without ``url`` it only runs. ``leaves`` are
    files that it makes itself.
    """

    name: str
    unit: str
    files: Mapping[Path, tuple[str, int]]
    wanted: bool
    socket: str = ""
    url: str = ""
    up: str = ""
    leaves: tuple[Path, ...] = ()

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Exporter:
        """Make one of a module's options; ``@DIGEST@`` in a file becomes the digest of all files."""
        texts = {Path(one["path"]): one for one in options["files"]}
        found = digest("".join(one["content"] for one in texts.values()))
        files = {path: (one["content"].replace("@DIGEST@", found), int(one["mode"], 8)) for path, one in texts.items()}
        words = {key: options[key] or "" for key in ("socket", "url", "up")}
        leaves = tuple(Path(path) for path in options["leaves"])
        return cls(options["name"], options["unit"], files, options["wanted"], leaves=leaves, **words)

    @property
    def mark(self) -> str:
        """Return the name that its process has when it was started with these files; empty where there is none."""
        texts = "".join(text for text, _mode in self.files.values())
        at = texts.find("webstack-metrics-")
        return texts[at : at + len("webstack-metrics-") + 12] if at >= 0 and self.url else ""


def digest(text: str) -> str:
    """Return what stands for ``text``."""
    return sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Found:
    """What is there of one exporter."""

    files: Mapping[Path, tuple[str, int] | None]
    unit: host.Unit

    @property
    def ours(self) -> bool:
        return any(self.files.values())


@dataclass(frozen=True)
class Todo:
    """What is to be done, and in words why. ``stale`` are files that differ."""

    stale: tuple[Path, ...]
    enable: bool
    restart: bool
    reload: bool
    remove: bool
    differences: tuple[str, ...]


def look(exporter: Exporter) -> Found:
    """Look at one exporter; changes nothing."""
    return Found({path: host.read(path) for path in exporter.files}, host.unit(exporter.unit))


def plan(exporter: Exporter, found: Found) -> Todo:
    """Compare what is there with what is wanted; pure."""
    if not exporter.wanted:
        leaving = (f"{exporter.unit} is still here",) if found.ours else ()
        return Todo((), False, False, False, found.ours, leaving)
    stale = tuple(path for path, wanted in exporter.files.items() if found.files[path] != wanted)
    said = [f"{path} differs" for path in stale]
    if not found.unit.enabled:
        said.append(f"{exporter.unit} does not start at boot")
    if found.unit.active != "active":
        said.append(f"{exporter.unit} is {found.unit.active}")
    elif exporter.mark and found.unit.argv[:1] != (exporter.mark,):
        said.append(f"{exporter.unit} runs with older files")
    restart = bool(stale) or found.unit.active != "active"
    restart = restart or bool(exporter.mark and found.unit.argv[:1] != (exporter.mark,))
    return Todo(stale, not found.unit.enabled, restart, found.unit.needs_reload, False, tuple(said))


def bring_about(exporters: Sequence[Exporter], rules: str, start: bool, check_mode: bool) -> dict[str, Any]:
    """Do it, or say what would be done; without ``start`` only files are written, and nothing is removed.

    Raises ``MetricsError`` when an exporter does not start or what it watches does not answer it.
    """
    founds = {exporter: look(exporter) for exporter in exporters}
    todos = {exporter: plan(exporter, found) for exporter, found in founds.items()}
    wall = _Wall.look(rules)
    if not check_mode:
        for exporter, todo in todos.items():
            for path in todo.stale:
                host.write(path, *exporter.files[path])
        wall.write()
        if start:
            wall.load()
            _carry_out(todos)
    values = {}
    if start:
        asked = [one for one in exporters if one.wanted and one.url]
        values = {one.name: _answer(one, _patience(todos[one], check_mode)) for one in asked}
        if not check_mode:
            values.update(_try_again([one for one in asked if values[one.name][1] and not todos[one].restart]))
        silent = {name: said for name, (_value, said) in values.items() if said}
        if silent and not check_mode:
            log = [line for one in exporters if one.name in silent for line in host.journal(one.unit, 3)]
            raise MetricsError("; ".join(silent.values()), log)
    differences = [line for todo in todos.values() for line in todo.differences] + wall.differences
    stale = any(todo.stale for todo in todos.values()) or wall.stale
    return {
        "changed": bool(differences) if start else stale,
        "differences": differences + [said for _value, said in values.values() if said],
        "leaving": [exporter.name for exporter, todo in todos.items() if todo.remove],
        "reachable": [one.name for one in exporters if one.socket and Path(one.socket).exists()],
        "values": {name: value for name, (value, _said) in values.items()},
        "diff": [
            _shown(path, founds[one].files[path], one.files[path]) for one, todo in todos.items() for path in todo.stale
        ],
    }


def _carry_out(todos: Mapping[Exporter, Todo]) -> None:
    going = [exporter for exporter, todo in todos.items() if todo.remove]
    if going:
        known = [one.unit for one in going if host.unit(one.unit).known]
        if known:
            host.systemctl("disable", "--now", "--quiet", *known)
        for exporter in going:
            for path in (*exporter.files, *exporter.leaves):
                host.remove(path)
    if going or any(todo.stale or todo.reload or todo.restart for todo in todos.values()):
        host.systemctl("daemon-reload")
    enable = [exporter.unit for exporter, todo in todos.items() if todo.enable]
    if enable:
        host.systemctl("enable", "--quiet", *enable)
    restart = [exporter.unit for exporter, todo in todos.items() if todo.restart]
    if restart:
        # One that gave up must be allowed to try again.
        host.systemctl("reset-failed", *restart, check=False)
        host.systemctl("restart", *restart)


def _patience(todo: Todo, check_mode: bool) -> float:
    return START_SECONDS if todo.restart and not check_mode else 0


def _try_again(silent: Sequence[Exporter]) -> dict[str, tuple[float | None, str]]:
    """Restart exporters that ran and do not get through: a password may be another one than when they were started."""
    if silent:
        host.systemctl("restart", *(exporter.unit for exporter in silent))
    return {exporter.name: _answer(exporter, START_SECONDS) for exporter in silent}


def _answer(exporter: Exporter, patience: float) -> tuple[float | None, str]:
    """Return the value of the metric that tells whether all is well, and in words what is wrong."""
    end = time.monotonic() + patience
    while True:
        text = ask(exporter.url)
        value = value_of(text, exporter.up) if text is not None else None
        if value:
            return value, ""
        if time.monotonic() >= end:
            break
        time.sleep(0.2)
    if text is None:
        return None, f"{exporter.unit} does not answer at {exporter.url}; systemctl status {exporter.unit} says why"
    shown = "is missing" if value is None else f"is {value:g}"
    return value, (
        f"{exporter.up} {shown} at {exporter.url}: {exporter.unit} runs and does not reach what it watches; "
        f"journalctl --unit {exporter.unit} says why"
    )


@dataclass(frozen=True)
class _Wall:
    """The rules about who may ask, in a file and in the kernel."""

    rules: str
    there: str
    loaded: str

    @classmethod
    def look(cls, rules: str) -> _Wall:
        text = rules.replace("@DIGEST@", digest(rules)) if rules else ""
        held = host.read(RULES)
        there = held[0] if held else ""
        return cls(text, there, host.loaded_rules() if text or there else "")

    @property
    def stale(self) -> bool:
        return self.rules != self.there

    @property
    def differences(self) -> list[str]:
        if self.stale:
            return [f"{RULES} differs"]
        mark = self.rules.partition('comment "')[2].partition('"')[0]
        if self.rules and mark not in self.loaded:
            return ["the firewall does not have the rules about who may ask for metrics"]
        return []

    def write(self) -> None:
        if self.rules and self.stale:
            host.write(RULES, self.rules, 0o644)

    def load(self) -> None:
        if self.rules and self.differences:
            host.run(["nft", "--file", str(RULES)])
        elif not self.rules and self.there:
            if self.loaded:
                host.run(["nft", "delete", "table", *host.TABLE])
            host.remove(RULES)


def _shown(path: Path, before: tuple[str, int] | None, after: tuple[str, int]) -> dict[str, str]:
    return {
        "before_header": str(path),
        "after_header": str(path),
        "before": before[0] if before else "",
        "after": after[0],
    }
