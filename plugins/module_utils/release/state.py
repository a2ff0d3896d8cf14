# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on the host: releases, which one is live, and how it came to be."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ..files import sync_directory
from .errors import ReleaseError
from .layout import RELEASE_ID, Layout
from .spec import Settings

# How a release became live. Only the forward ones say which release came before it.
FORWARD = ("deploy", "reload")
BACK = "rollback"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Release:
    """A complete release; ``source`` and ``venv`` name the directories that it shares with others."""

    id: str
    digest: str
    created: str
    by: str
    source: str
    source_label: str
    venv: str
    settings: Settings


@dataclass(frozen=True)
class Event:
    """One line of the app's history."""

    time: str
    what: str
    release: str
    previous: str | None = None
    by: str = ""


def read_release(layout: Layout, release_id: str) -> Release | None:
    """Read a release; ``None`` when it is unfinished (its release.json is written last) or unreadable."""
    try:
        found = json.loads((layout.release(release_id) / "release.json").read_text(encoding="utf-8"))
        settings = Settings.from_dict(found.pop("settings"))
        return Release(settings=settings, **found)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def release_ids(layout: Layout) -> list[str]:
    """Return the ids of all releases on disk, oldest first, unfinished ones too."""
    try:
        return sorted(path.name for path in layout.releases.iterdir() if RELEASE_ID.fullmatch(path.name))
    except FileNotFoundError:
        return []


def finished_releases(layout: Layout) -> list[Release]:
    """Return all complete releases, oldest first."""
    found = (read_release(layout, release_id) for release_id in release_ids(layout))
    return [release for release in found if release]


def require_release(layout: Layout, release_id: str) -> Release:
    """Read a release that must be there; raises ``ReleaseError`` naming those that are."""
    release = read_release(layout, release_id)
    if release:
        return release
    there = ", ".join(known.id for known in finished_releases(layout)) or "none"
    raise ReleaseError(f"there is no complete release {release_id} of {layout.app} on this host; there are: {there}")


def find_release(layout: Layout, name: str) -> Release:
    """Return the release with an id, or the newest one made from a version (a word of its label, like ``v1.4.0``)."""
    if RELEASE_ID.fullmatch(name):
        return require_release(layout, name)
    made_from = [release for release in finished_releases(layout) if name in release.source_label.split()]
    if made_from:
        return made_from[-1]
    there = ", ".join(f"{known.id} ({known.source_label})" for known in finished_releases(layout)) or "none"
    raise ReleaseError(f"no release of {layout.app} on this host is named {name!r} or made from it; there are: {there}")


def current_id(layout: Layout) -> str | None:
    """Return the release that was activated last."""
    return _linked(layout.current)


def live_id(layout: Layout) -> str | None:
    """Return the release behind the live socket; with a shared socket that is the current one."""
    target = _linked(layout.live)
    if target == layout.shared_socket.name:
        return current_id(layout)
    return target.removesuffix(".sock") if target else None


def _linked(link: Path) -> str | None:
    try:
        return link.readlink().name
    except OSError:
        return None


def record(layout: Layout, event: Event) -> None:
    """Append an event to the history, on a line of its own even after one torn by a crash, and see it on disk."""
    with layout.history.open("a+b") as handle:
        if handle.tell():
            handle.seek(-1, os.SEEK_END)
        torn = handle.read(1) not in (b"", b"\n")
        handle.write(b"\n" * torn + json.dumps(event.__dict__).encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())
    sync_directory(layout.home)


def read_history(layout: Layout) -> list[Event]:
    """Read the history, oldest first; a line torn by a crash is passed over."""
    try:
        lines = layout.history.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [event for event in map(_parse_event, lines) if event]


def _parse_event(line: str) -> Event | None:
    try:
        return Event(**json.loads(line))
    except (ValueError, TypeError):
        return None


def now() -> str:
    return datetime.now(timezone.utc).strftime(TIME_FORMAT)


def predecessor(history: Iterable[Event], release_id: str) -> str | None:
    """Return what was live before ``release_id`` was last deployed.

    Not the release next to it in time: after a rollback that one is the known-bad one.
    """
    found = None
    for event in history:
        if event.release == release_id and event.what in FORWARD:
            found = event.previous
    return found


def lineage(history: Iterable[Event], release_id: str) -> list[str]:
    """Return the releases that one stands on, nearest first."""
    events = list(history)
    chain: list[str] = []
    before = predecessor(events, release_id)
    while before and before not in chain:
        chain.append(before)
        before = predecessor(events, before)
    return chain


def rollback_target(layout: Layout, history: Iterable[Event], current: str) -> Release:
    """Return the nearest complete release that ``current`` stands on; raises ``ReleaseError`` when there is none."""
    for release_id in lineage(history, current):
        release = read_release(layout, release_id)
        if release:
            return release
    others = [release.id for release in finished_releases(layout) if release.id != current]
    raise ReleaseError(
        f"{layout.app}: nothing to roll back to: {current} is the first release known here. "
        + (f"Name one of these yourself (to): {', '.join(others)}" if others else "Deploy a good version instead")
    )


def was_live(history: Iterable[Event], release_id: str) -> bool:
    """Say whether a release has ever been activated."""
    return any(event.release == release_id and event.what in (*FORWARD, BACK) for event in history)


def awaiting_activation(history: Iterable[Event], moment: datetime) -> set[str]:
    """Return the releases built in the hour before ``moment`` and not tried yet: another run is about to."""
    last = {event.release: event for event in history}
    since = (moment - timedelta(hours=1)).strftime(TIME_FORMAT)
    return {release for release, event in last.items() if event.what == "built" and event.time > since}


def migrations_done(history: Iterable[Event]) -> set[str]:
    """Return the releases whose migrations are applied and not undone."""
    done: set[str] = set()
    for event in history:
        if event.what == "migrated":
            done.add(event.release)
        elif event.what == "migration undone":
            done.discard(event.release)
    return done


def release_document(values: Mapping[str, Any]) -> str:
    """Return the text of release.json."""
    return json.dumps(values, indent=2, sort_keys=True, default=lambda value: value.__dict__) + "\n"
