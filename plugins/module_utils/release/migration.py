# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change a release's database forth and back with the commands that it declares."""

from __future__ import annotations

import shlex

from .errors import ReleaseError
from .layout import Layout
from .state import Event, Release, lineage, migrations_done, now, read_release, record
from .systemd import run_confined


def needs_migration(release: Release, before: Release | None, history: list[Event]) -> bool:
    """Say whether a release's migrations must run before it is started.

    Not when they are applied already, nor when the release before it has the same code and
    the same commands: a change of configuration changes no schema.
    """
    if not release.settings.migrate or release.id in migrations_done(history):
        return False
    same = before and before.source == release.source and before.settings.migrate == release.settings.migrate
    return not same


def migrate(layout: Layout, release: Release, by: str) -> None:
    """Run a release's migrations in order; when one fails, undo those before it and raise ``ReleaseError``.

    A run that was cut short is repeated whole, so the commands must bear being run twice.
    """
    for number, migration in enumerate(release.settings.migrate):
        try:
            _run(layout, release, migration.run)
        except ReleaseError as error:
            notes = _take_back(layout, release, by, number)
            raise ReleaseError("; ".join([str(error.args[0]), *notes]), error.lines) from error
    record(layout, Event(now(), "migrated", release.id, None, by))


def _take_back(layout: Layout, release: Release, by: str, failed: int) -> list[str]:
    """Undo what ran before the migration that failed; returns what stays, without hiding why the first one failed."""
    try:
        return undo(layout, release, by, first=failed)
    except ReleaseError as error:
        return [f"undoing those before it failed too: {error}"]


def undo(layout: Layout, release: Release, by: str, first: int | None = None) -> list[str]:
    """Undo a release's migrations, last first; returns warnings about those that cannot be undone."""
    warnings = []
    for migration in reversed(release.settings.migrate[:first]):
        if migration.undo:
            _run(layout, release, migration.undo)
        else:
            warnings.append(f"{release.id}: '{migration.run}' declares no undo, so what it changed stays")
    record(layout, Event(now(), "migration undone", release.id, None, by))
    return warnings


def undo_between(layout: Layout, history: list[Event], leaving: str, target: str, by: str) -> list[str]:
    """Undo what every release from ``leaving`` down to, but without, ``target`` has migrated."""
    warnings: list[str] = []
    done = migrations_done(history)
    for release_id in [leaving, *lineage(history, leaving)]:
        if release_id == target:
            break
        release = read_release(layout, release_id)
        if release and release_id in done:
            warnings += undo(layout, release, by)
    return warnings


def _run(layout: Layout, release: Release, command: str) -> None:
    home = layout.release(release.id)
    words = ["/usr/bin/env", f"PATH={home}/venv/bin:/usr/local/bin:/usr/bin:/bin", *shlex.split(command)]
    done = run_confined(
        f"{layout.app}-migrate",
        words,
        user=layout.app,
        directory=home / "src",
        writable=[layout.shared],
        environment={"WEBSTACK_RELEASE": release.id, "PYTHONUNBUFFERED": "1"},
        properties=[f"EnvironmentFile={home}/etc/environment"],
    )
    if done.returncode:
        output = (done.stdout + done.stderr).splitlines()
        raise ReleaseError(
            f"the migration command '{command}' of {release.id} failed with exit code {done.returncode}",
            tuple(line[:400] for line in output[-20:]),
        )
