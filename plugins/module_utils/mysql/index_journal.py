# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was done to a database's indexes, kept on the host: one event a line, each synced before the next step.

A run that was cut off is taken up from it, and a rollback knows from it what was there before.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .errors import MysqlError

DIRECTORY = Path("/var/lib/webstack/mysql_indexes")

Event = dict[str, Any]
#: Definitions of a table's indexes by name.
Definitions = dict[str, str]


@dataclass
class Verdict:
    """How a finished run ended: the queries' digest, what became of each query, and which indexes helped."""

    queries_digest: str
    queries: dict[str, Any]
    indexes: dict[str, Any]


@dataclass
class State:
    """What a journal says.

    ``baseline`` is, by table, what was there before we first changed it, and is gone after a rollback; ``ours`` are
    the indexes that we created, as (table, name); ``tried`` those that we removed because they did not help.
    """

    baseline: dict[str, Definitions] = field(default_factory=dict)
    ours: dict[tuple[str, str], str] = field(default_factory=dict)
    tried: dict[tuple[str, str], str] = field(default_factory=dict)
    run: str | None = None
    run_created: list[tuple[str, str]] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    last: Verdict | None = None


def fold(events: Iterable[Event]) -> State:
    """Return what a journal's events add up to."""
    state = State()
    for event in events:
        _FOLDS[event["event"]](state, event)
    return state


def _begin(state: State, event: Event) -> None:
    state.run = event["run"]
    for table, definitions in event["baseline"].items():
        state.baseline.setdefault(table, definitions)


def _before(state: State, event: Event) -> None:
    state.before.update(event["queries"])


def _creating(state: State, event: Event) -> None:
    key = (event["table"], event["index"])
    # Ours from here on: a server goes on building for a client that is gone.
    state.ours[key] = event["columns"]
    state.run_created.append(key)


def _removed(state: State, event: Event) -> None:
    key = (event["table"], event["index"])
    state.ours.pop(key, None)
    if event.get("tried_for"):
        state.tried[(event["table"], event["columns"])] = event["tried_for"]


def _failed(state: State, event: Event) -> None:
    key = (event["table"], event["index"])
    state.ours.pop(key, None)
    state.run_created = [other for other in state.run_created if other != key]


def _end(state: State, event: Event) -> None:
    state.run = None
    state.run_created, state.before = [], {}
    state.last = Verdict(event["queries_digest"], event["queries"], event["indexes"])


def _rolled_back(state: State, event: Event) -> None:
    state.__dict__.update(State().__dict__)


def _nothing(state: State, event: Event) -> None:
    """These are for people who read the journal."""


_FOLDS = {
    "begin": _begin,
    "before": _before,
    "creating": _creating,
    "created": _nothing,
    "failed": _failed,
    "removed": _removed,
    "end": _end,
    "rolling back": _nothing,
    "restored": _nothing,
    "rolled back": _rolled_back,
}


class Journal:
    """The journal of one database on one server."""

    def __init__(self, directory: Path, server: str, database: str) -> None:
        self.path = directory / f"{quote(server, safe='')}.{quote(database, safe='')}.jsonl"

    def read(self) -> State:
        return fold(self.events())

    def events(self) -> list[Event]:
        """Return all events; half a line at the end is what a power cut left, and counts as never written."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        found = []
        for number, line in enumerate(lines, start=1):
            try:
                found.append(json.loads(line))
            except ValueError:
                if number < len(lines):
                    raise MysqlError(
                        f"{self.path}: line {number} is no JSON; put it right or move the file away"
                    ) from None
        return found

    def write(self, event: str, **content: Any) -> None:
        """Append one event, and have it on the disk before returning."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        line = json.dumps({"event": event, "at": _now(), **content}, default=str)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _drop_half_a_line(descriptor)
            os.write(descriptor, line.encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep another run on the same database away; the kernel drops the lock when its holder ends."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.path.with_suffix(".lock").open("a", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise MysqlError(
                    f"another run is at work on this database's indexes (it holds {handle.name}). Nothing was touched; "
                    "wait for it"
                ) from None
            yield


def _drop_half_a_line(descriptor: int) -> None:
    """Go to the end of a file, after removing what follows its last whole line."""
    content = b""
    while piece := os.read(descriptor, 1 << 20):
        content += piece
    whole = content.rfind(b"\n") + 1
    os.ftruncate(descriptor, whole)
    os.lseek(descriptor, whole, os.SEEK_SET)


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def baseline_of(tables: Mapping[str, Mapping[str, str]], names: Iterable[str]) -> dict[str, Definitions]:
    return {name: dict(tables[name]) for name in sorted(set(names))}
