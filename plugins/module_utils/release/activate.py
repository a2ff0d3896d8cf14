# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a release live, and take that back: the same operation in both directions.

Everything up to the switch is invisible to users; the switch is one ``rename(2)`` of the
socket that nginx names; until the new release has passed its checks through the proxy,
``current`` still names the old one, so a crash at any point leaves something that serves
and that the next run recognises.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable
from urllib.parse import unquote

from .build import Steps, prune
from .errors import ReleaseError
from .layout import Layout, replace_symlink
from .migration import migrate, needs_migration, undo, undo_between
from .readiness import unhealthy, warm_up
from .running import children
from .state import (
    BACK,
    Event,
    Release,
    awaiting_activation,
    current_id,
    find_release,
    finished_releases,
    lineage,
    live_id,
    now,
    read_history,
    read_release,
    record,
    release_ids,
    require_release,
    rollback_target,
    was_live,
)
from .systemd import (
    UnitState,
    answered,
    cancel_scheduled_stop,
    inherits_socket,
    journal_tail,
    reload_if_needed,
    renew_limits,
    run_confined,
    schedule_stop,
    stop_is_scheduled,
    systemctl,
    unit_state,
    unit_states,
)

SYSTEMD = Path("/etc/systemd/system")
CRASHED_GENERATIONS = 3
"""So many times as many workers as there are at one time, seen before the first is healthy, are a crash."""
WARM_UP_ROUNDS = 5
"""A worker that has not been given a page in so many rounds will be warmed by its first user."""

# Given a release, say what does not hold when it is asked through the proxy.
Check = Callable[[Release], "list[str]"]


@dataclass
class Outcome:
    """What an activation did; ``previous`` is what was live before."""

    release: str
    previous: str | None
    changed: bool
    steps: list[tuple[str, float]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    pruned: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """One activation: of what, how (``deploy``, ``reload`` or ``rollback``), for whom, and how to check it."""

    layout: Layout
    what: str
    by: str
    check: Check
    keep: int = 5
    steps: Steps = field(default_factory=Steps)

    @property
    def holds_socket(self) -> bool:
        """Whether systemd holds the socket, because two generations don't fit in memory."""
        return (SYSTEMD / self.layout.socket_unit).exists()


def roll_back(run: Run, to: str | None) -> Outcome:
    """Activate the release that the current one replaced, or the one named; the caller holds the lock."""
    current = current_id(run.layout)
    if not current:
        raise ReleaseError(f"{run.layout.app}: nothing was ever live on this host, so there is nothing to roll back")
    target = find_release(run.layout, to) if to else rollback_target(run.layout, read_history(run.layout), current)
    return activate(run, target.id)


def activate(run: Run, release_id: str) -> Outcome:
    """Make a release live; the caller holds the app's lock.

    Raises ``ReleaseError`` saying why it is not live, what serves instead and what the
    release's journal ends with. Whatever served before then serves again.
    """
    layout = run.layout
    target = require_release(layout, release_id)
    units = (f"{layout.app}@*.service", f"{layout.app}.slice", f"{layout.app}.service")
    reload_if_needed(*units, *([layout.socket_unit] if run.holds_socket else []))
    serving = run.steps.take("settle", lambda: settle(run, target.id))
    if serving == target.id == current_id(layout) and unit_state(layout.unit(target.id)).running:
        _require_health(run, target)
        run.steps.take("limits", lambda: renew_limits(f"{layout.app}.slice"))
        return Outcome(target.id, serving, changed=False, steps=run.steps.taken)
    history = read_history(layout)
    before = read_release(layout, serving) if serving and serving != target.id else None
    backwards = run.what == BACK and target.id in lineage(history, serving or "")
    migrates = not backwards and needs_migration(target, before, history)
    try:
        if migrates:
            run.steps.take("migrate", lambda: migrate(layout, target, run.by))
        _bring_up(run, target, before)
        _check_through_proxy(run, target, before)
        _commit(run, target, serving)
    except (ReleaseError, OSError) as error:
        raise _failed(run, target, before, error, migrates) from error
    outcome = Outcome(target.id, serving, changed=True, steps=run.steps.taken)
    if backwards and serving:
        outcome.warnings += undo_between(layout, history, serving, target.id, run.by)
    run.steps.take("retire", lambda: _retire(run, target, before))
    if run.what != BACK:
        outcome.pruned = run.steps.take("prune", lambda: _prune(run))
    return outcome


def settle(run: Run, target: str) -> str | None:
    """Mend what an interrupted run left, and return the release that serves, or should.

    The committed release (``current``) gets the traffic back when it runs. Instances that
    neither serve nor are wanted now are stopped, so that there are never more than two; when
    nothing is about to start, a warm one stays. One whose stop is scheduled is left to it:
    nginx may still hold connections to it.
    """
    layout = run.layout
    instances = {_release_of(unit): state for unit, state in _instances(layout).items() if not state.stopped}
    committed, live = current_id(layout), live_id(layout)
    running = [name for name in (committed, live) if name in instances and instances[name].running]
    serving = running[0] if running else committed
    if running and serving:
        _let_serve(run, serving)
    kept = {serving, target} | (_warm_ones(layout, instances) if serving == target else set())
    for release_id in instances:
        unit = layout.unit(release_id)
        if release_id not in kept and not stop_is_scheduled(unit):
            systemctl("stop", unit, check=False)
    if running:
        _drop_socket(run)
    return serving


def _warm_ones(layout: Layout, instances: dict[str, UnitState]) -> set[str | None]:
    """Return the releases that run after having served; a run that was cut off may have left others."""
    history = read_history(layout)
    return {name for name, state in instances.items() if state.running and was_live(history, name)}


def _require_health(run: Run, release: Release) -> None:
    """Refuse to call it a success that nothing changed, when what is live does not answer."""
    layout = run.layout
    problem = unhealthy(layout.live, release.settings.health)
    if problem:
        raise ReleaseError(
            f"{layout.app}: release {release.id} is live already, but not healthy: {problem}. "
            "reload.yml replaces its processes, rollback.yml goes back to the release before it.",
            journal_tail(layout.unit(release.id)),
        )


def _instances(layout: Layout) -> dict[str, UnitState]:
    return unit_states(f"{layout.app}@*.service")


def _release_of(unit: str) -> str:
    return unit.split("@", 1)[1].removesuffix(".service")


def _point_at(layout: Layout, socket: Path) -> None:
    replace_symlink(layout.live, socket.name)


def _let_serve(run: Run, release_id: str) -> None:
    """Point the live socket at the one that a release listens on, unless it is there."""
    layout = run.layout
    state = unit_state(layout.unit(release_id))
    shared = inherits_socket(state) if state.running else run.holds_socket
    socket = layout.shared_socket if shared else layout.socket(release_id)
    if not layout.points_at(socket):
        _point_at(layout, socket)


def _bring_up(run: Run, target: Release, before: Release | None) -> None:
    layout = run.layout
    if run.holds_socket:
        run.steps.take("import", lambda: _import(layout, target))
        run.steps.take("replace", lambda: _replace_behind_socket(run, target, before))
        return
    run.steps.take("start", lambda: _start(run, target))
    run.steps.take("health", lambda: _wait_until_healthy(layout, target, layout.socket(target.id)))
    run.steps.take("warm up", lambda: _warm(layout, target, layout.socket(target.id)))
    run.steps.take("switch", lambda: _point_at(layout, layout.socket(target.id)))


def _start(run: Run, release: Release) -> None:
    unit = run.layout.unit(release.id)
    cancel_scheduled_stop(unit)
    state = unit_state(unit)
    fits = state.running and inherits_socket(state) == run.holds_socket
    if not fits and not state.stopped:
        systemctl("stop", unit)  # joins the stop that is under way, or ends one that listens elsewhere
    if not fits:
        systemctl("reset-failed", unit, check=False)
        started = systemctl("start", unit, check=False)
        if started.returncode:
            raise ReleaseError("did not start", journal_tail(unit))


def _wait_until_healthy(layout: Layout, release: Release, socket: Path) -> None:
    unit, settings = layout.unit(release.id), release.settings
    deadline = time.monotonic() + settings.start_timeout
    seen: set[int] = set()
    while True:
        problem = unhealthy(socket, settings.health)
        if problem is None:
            return
        state = unit_state(unit)
        if state.crashed or _workers_crash(state, seen):
            raise ReleaseError("crashed while starting", journal_tail(unit))
        if time.monotonic() > deadline:
            raise ReleaseError(f"was not healthy after {settings.start_timeout} s: {problem}", journal_tail(unit))
        time.sleep(0.05)


def _workers_crash(state: UnitState, seen: set[int]) -> bool:
    """Say whether gunicorn starts its workers again and again, which systemd does not notice; ``seen`` remembers."""
    workers = children(state.main_pid) if state.main_pid else []
    seen.update(workers)
    return len(seen) >= CRASHED_GENERATIONS * max(1, len(workers))


def _warm(layout: Layout, release: Release, socket: Path) -> None:
    """Let every worker answer the declared pages; who gets a request is the kernel's choice, so look who did."""
    settings, unit = release.settings, layout.unit(release.id)
    paths = {path for url in settings.warmup for path in (url.partition("?")[0], unquote(url.partition("?")[0]))}
    for _unused in range(WARM_UP_ROUNDS if paths else 0):
        problems = warm_up(socket, settings.health, settings.warmup, settings.warmup_requests)
        if problems:
            raise ReleaseError(f"failed while warming up: {'; '.join(problems)}")
        if set(children(unit_state(unit).main_pid)) <= answered(unit, paths):
            return


def _import(layout: Layout, release: Release) -> None:
    """Import the app before what serves is stopped: no user should wait for code that cannot start."""
    home = layout.release(release.id)
    done = run_confined(
        f"{layout.app}-check",
        [f"{home}/venv/bin/gunicorn", "--check-config", "-c", f"{home}/etc/gunicorn.conf.py"],
        user=layout.app,
        directory=home / "src",
        writable=[layout.shared],
        environment={"WEBSTACK_RELEASE": release.id},
        properties=[f"EnvironmentFile={home}/etc/environment"],
    )
    if done.returncode:
        output = (done.stdout + done.stderr).splitlines()
        raise ReleaseError("cannot be imported", tuple(line[:400] for line in output[-25:]))


def _replace_behind_socket(run: Run, target: Release, before: Release | None) -> None:
    """Stop the old release and start the new one while connections wait in the backlog of systemd's socket.

    An old release that was started side by side has a socket of its own, which ends with it:
    it is left until nginx has no connection to that one any more.
    """
    layout = run.layout
    systemctl("start", layout.socket_unit)
    _point_at(layout, layout.shared_socket)
    if before:
        state = unit_state(layout.unit(before.id))
        if state.running and not inherits_socket(state):
            time.sleep(target.settings.drain_seconds)
        systemctl("stop", layout.unit(before.id))
    _start(run, target)
    _wait_until_healthy(layout, target, layout.shared_socket)
    _warm(layout, target, layout.shared_socket)


def _check_through_proxy(run: Run, target: Release, before: Release | None) -> None:
    failures = run.steps.take("checks", lambda: run.check(target))
    if failures:
        journal = journal_tail(run.layout.unit(target.id), 10)
        raise ReleaseError("failed its checks through the proxy", (*failures, *journal))


def _commit(run: Run, target: Release, previous: str | None) -> None:
    """From here on the release survives a reboot."""
    if current_id(run.layout) == target.id:
        return  # it was down and is up again: what came before it stays what it was
    # Going back must work on a full disk too; going forward must not lose what a rollback needs to know.
    with contextlib.suppress(OSError) if run.what == BACK else contextlib.nullcontext():
        record(run.layout, Event(now(), run.what, target.id, previous, run.by))
    replace_symlink(run.layout.current, f"releases/{target.id}")


def _failed(run: Run, target: Release, before: Release | None, error: Exception, migrated: bool) -> ReleaseError:
    """Go back to what served, and say all of it."""
    layout = run.layout
    why = error.args[0] if isinstance(error, ReleaseError) else f"could not be activated: {error}"
    notes = []
    switched_back = _go_back(run, target, before)
    if migrated and target.id in {event.release for event in read_history(layout) if event.what == "migrated"}:
        try:
            notes += undo(layout, target, run.by)
        except ReleaseError as second:
            notes.append(f"undoing its migrations failed too: {second}")
    try:
        record(layout, Event(now(), "failed", target.id, before.id if before else None, run.by))
    except OSError:
        notes.append("the history could not be written: is the disk full?")
    words = [f"{layout.app}: release {target.id} ({target.source_label}) {why}.", switched_back, *notes]
    return ReleaseError(" ".join(words), getattr(error, "lines", ()))


def _go_back(run: Run, target: Release, before: Release | None) -> str:
    layout = run.layout
    unit = layout.unit(target.id)
    if target.id == current_id(layout):
        return "It is the current release all the same, and systemd goes on trying to start it."
    if not before:
        systemctl("stop", unit, check=False)
        layout.live.unlink(missing_ok=True)
        return "No release was live before it, so nothing serves: correct the app and deploy again."
    if run.holds_socket and not unit_state(layout.unit(before.id)).running:
        systemctl("stop", unit, check=False)
        systemctl("reset-failed", layout.unit(before.id), check=False)
        systemctl("start", layout.unit(before.id), check=False)
        _let_serve(run, before.id)
    else:
        _let_serve(run, before.id)
        systemctl("stop", unit, check=False)
    systemctl("reset-failed", unit, check=False)
    running = unit_state(layout.unit(before.id)).running
    return f"{before.id} still serves." if running else f"{before.id}, live before it, did not run either."


def _retire(run: Run, target: Release, before: Release | None) -> None:
    """Let the old release go on as the warm one, or stop it when nginx's connections to it have ended.

    What a rollback leaves is not kept: it is left because something is wrong with it.
    """
    if not before or not unit_state(run.layout.unit(before.id)).running:
        return
    if run.what == BACK or not target.settings.keep_warm:
        schedule_stop(run.layout.unit(before.id), target.settings.drain_seconds)
    _drop_socket(run)


def _drop_socket(run: Run) -> None:
    """Take systemd's socket away where releases run side by side by now; whoever listens on it keeps it until then."""
    layout = run.layout
    if layout.shared_socket.exists() and not run.holds_socket and not layout.points_at(layout.shared_socket):
        systemctl("stop", *layout.socket_units, check=False)
        layout.shared_socket.unlink(missing_ok=True)


def _prune(run: Run) -> list[str]:
    """Keep what the current release stands on, what is newer than it, and what another run has built and not tried."""
    layout = run.layout
    current = current_id(layout) or ""
    history = read_history(layout)
    chain = lineage(history, current)
    awaited = awaiting_activation(history, datetime.now(timezone.utc))
    newer = [release_id for release_id in release_ids(layout) if release_id > current]
    running = {_release_of(unit) for unit, state in _instances(layout).items() if state.active != "inactive"}
    complete = {release.id for release in finished_releases(layout)}
    kept = [release_id for release_id in chain if release_id in complete][: max(run.keep - 1, 1)]
    return prune(layout, {current, *newer, *awaited, *running, *kept})
