# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe the releases of an app on this host, for people and for playbooks."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from .layout import Layout
from .lock import holder
from .running import count_workers, slice_memory_max_mb
from .state import Release, current_id, finished_releases, live_id, predecessor, read_history, release_ids
from .systemd import unit_states


def describe(layout: Layout, workers: int | None = None) -> dict[str, Any]:
    """Return what is live, what is warm, what every release was made from, and the last events.

    With ``workers`` it waits a little for the live release to have that many.

    ``releases`` is oldest first; a release's ``state`` is ``live``, ``warm`` (runs, takes no
    new requests), ``ready`` (can be activated) or, for those that are not complete,
    it is listed in ``unfinished``.
    """
    history = read_history(layout)
    complete = finished_releases(layout)
    running = {unit: state for unit, state in unit_states(f"{layout.app}@*.service").items() if state.running}
    live = live_id(layout)
    serving = running.get(layout.unit(live)) if live else None
    releases = [
        {
            "id": release.id,
            "state": _state(layout, release, live, running),
            "made_from": release.source_label,
            "created": release.created,
            "by": release.by,
            "previous": predecessor(history, release.id),
        }
        for release in complete
    ]
    current = current_id(layout)
    return {
        "app": layout.app,
        "live": live if serving else None,
        "current": current,
        "problem": serving_problem(layout, current, live, serving is not None),
        "workers": count_workers(serving.main_pid, workers) if serving else 0,
        "memory_max_mb": slice_memory_max_mb(layout.app),
        "warm": [release["id"] for release in releases if release["state"] == "warm"],
        "releases": releases,
        "unfinished": sorted(set(release_ids(layout)) - {release.id for release in complete}),
        "history": [event.__dict__ for event in history[-50:]],
        "locked_by": holder(layout.lock),
    }


def serving_problem(layout: Layout, current: str | None, live: str | None, running: bool) -> str | None:
    """Say why it is not the current release that serves; ``None`` when it is."""
    if current is None:
        return f"{layout.app} has no release on this host yet; deploy one"
    if live is None:
        return f"{layout.live} leads nowhere, so nobody serves {layout.app}; systemctl restart {layout.app}.service"
    if live != current:
        return (
            f"{layout.app}: {live} serves, but {current} is the current release and would start at boot; "
            "a hand-over was cut short, and the next deploy or rollback sets it right"
        )
    if not running:
        unit = layout.unit(live)
        return f"{unit} does not run; see journalctl --unit '{unit}', then roll back or deploy again"
    return None


def _state(layout: Layout, release: Release, live: str | None, running: Container[str]) -> str:
    if layout.unit(release.id) not in running:
        return "ready"
    return "live" if release.id == live else "warm"


def table(described: dict[str, Any]) -> list[str]:
    """Return the releases as lines of text, newest first, for a terminal."""
    rows = [("RELEASE", "STATE", "MADE", "FROM", "BY", "AFTER")]
    for release in reversed(described["releases"]):
        state = release["state"] + (" *" if release["id"] == described["current"] else "")
        rows.append(
            (release["id"], state, release["created"], release["made_from"], release["by"], release["previous"] or "-")
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines += [f"unfinished (removed by the next deploy): {release_id}" for release_id in described["unfinished"]]
    if described["locked_by"]:
        lines.append("at work now: {what} by {by} since {since}".format(**described["locked_by"]))
    return lines
