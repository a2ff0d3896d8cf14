# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many workers each app gets: from its share of the processors, then as memory allows.

Memory is handed out in an order that does not depend on how much there is: one worker for each
app, a second one (so that a crash leaves one), a second generation (so that a release can start
beside the old one), then more workers. A larger host therefore only ever gets further down the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .budget import step_up
from .errors import SizingError
from .types import AppWorkload, Measured

#: PSS of one worker in MiB, measured with gunicorn 27.0.1 on Python 3.11 (x86-64, two workers, warm):
#: a bare app (FastAPI 35, Starlette 21, Litestar 39, Quart 32, Django with admin 36-40, Flask 23-28,
#: plain WSGI 9-19), plus 28 for SQLAlchemy, a driver and an HTTP client, plus a fifth.
FRAMEWORK_MB = {
    "fastapi": 75, "starlette": 60, "litestar": 80, "quart": 72, "django": 80, "flask": 66, "wsgi": 56,
}  # fmt: skip
#: PSS of gunicorn's master without preload: 15-21 MiB measured.
MASTER_MB = 20
#: What a measured worker may grow by between two measurements.
MEASURED_HEADROOM = 1.15
#: A measurement lowers a planned number only when it is this much smaller, and the release has seen a whole day:
#: its busiest hour is then in the peak. It raises the number as soon as a worker uses more than that.
WORTH_LOWERING = 0.75
WHOLE_DAY_HOURS = 24.0
#: Two workers where memory allows, even on one CPU: a crash or a recycle then leaves one.
ENOUGH = 2
EVENT_LOOPS = ("asgi", "uvicorn_worker", "gevent")
#: Workers per core's worth, 1 + wait/compute (Goetz): an event loop overlaps the waiting by itself
#: and threads take over what waits long, so only sync workers multiply beyond two.
_PER_CORE = {
    "loop": {"cpu": 1, "io": 1, "llm": 1, "mixed": 2},
    "gthread": {"cpu": 1, "io": 2, "llm": 2, "mixed": 2},
    "sync": {"cpu": 1, "io": 4, "llm": 8, "mixed": 2},
}
#: Room above the declared load.
LOAD_HEADROOM = 1.25


@dataclass(frozen=True)
class Demand:
    """What one app asks for. ``given`` workers are taken as they are; ``limit_mb`` is a given memory limit."""

    name: str
    where: str
    target: int
    target_reason: str
    per_worker_mb: int
    master_mb: int
    weight: int
    given: int | None = None
    limit_mb: int | None = None
    handover: str = "auto"

    def need_mb(self, workers: int, generations: int = 1) -> int:
        """Return the memory of that many workers, their masters included."""
        return generations * (self.master_mb + workers * self.per_worker_mb)


@dataclass(frozen=True)
class Allocation:
    """What one app gets; ``memory_mb`` bounds all its generations, ``full`` whether they fit into it."""

    demand: Demand
    workers: int
    generations: int
    memory_mb: int

    @property
    def full(self) -> bool:
        """Whether the workers fit into the memory."""
        return self.demand.need_mb(self.workers, self.generations) <= self.memory_mb


def memory_per_worker(app: AppWorkload, preload: bool) -> tuple[int, str]:
    """Return the MiB of one worker and where the number is from: declared, measured or assumed."""
    if app.declared_mb is not None:
        return app.declared_mb, f"declared in {app.where}.memory_per_worker_mb"
    base = FRAMEWORK_MB[app.framework]
    how = f"assumed for {app.framework} with a database driver and an HTTP client"
    if preload:
        base, how = base * 3 // 4, f"{how}, less a quarter that preload shares"
    if app.measured is not None:
        return _calibrated(app.measured, base, how)
    return base, f"{how}; if yours differs, declare {app.where}.memory_per_worker_mb"


def _calibrated(measured: Measured, assumed: int, how: str) -> tuple[int, str]:
    """Return what to plan with after a look at the running release: what it was planned with, unless that is wrong.

    Two looks are never quite the same, and each new number would be a new release.
    """
    planned = measured.planned_mb or assumed
    origin = how if planned == assumed else "as the current release was planned"
    if measured.peak_mb is None:
        return planned, f"{origin}; its workers could not be measured now"
    value = step_up(int(measured.peak_mb * MEASURED_HEADROOM))
    seen = f"measured {measured.rest_mb} MB at rest and {measured.peak_mb} at the peak on the running release"
    if measured.hours is None:
        return value, f"measured {measured.peak_mb} on the running release, plus 15%, rounded up"
    if measured.peak_mb > planned:
        return value, f"{seen}, planned with {planned}; the peak plus 15%, rounded up"
    if value <= planned * WORTH_LOWERING:
        if measured.hours >= WHOLE_DAY_HOURS:
            return value, f"{seen} in {measured.hours:.0f} h; the peak plus 15%, rounded up"
        seen += f" in {measured.hours:.1f} h; a smaller number counts after {WHOLE_DAY_HOURS:.0f} h"
    return planned, f"{origin}; {seen}"


def per_core(app: AppWorkload) -> int:
    """Return the workers that one core's worth keeps busy, 1 + wait/compute."""
    kind = "loop" if app.worker_class in EVENT_LOOPS else app.worker_class
    return _PER_CORE[kind][app.workload]


def target_workers(app: AppWorkload, cpus: float, text: str) -> tuple[int, str]:
    """Return the workers that ``cpus`` (this app's share) can use, and the sum in words."""
    factor = per_core(app)
    exact = cpus * factor
    kind = "an event loop" if app.worker_class in EVENT_LOOPS else app.worker_class
    text = f"{text} × {factor} per core ({app.workload} on {kind}) = {exact:.2f}"
    target = int(exact + 0.5)
    if app.worker_class == "sync" and app.concurrency is not None:
        needed = -int(-app.concurrency * LOAD_HEADROOM // 1)
        if needed > target:
            target = needed
            text = f"{app.concurrency:g} requests at once plus a quarter, each in a sync worker"
    if target < ENOUGH:
        return ENOUGH, f"{text}; {ENOUGH} so that a crash leaves one"
    return target, text


def allocate(demands: Sequence[Demand], available_mb: int, kept_mb: int) -> list[Allocation]:
    """Return every app's workers, generations and memory, in the order of ``demands``.

    ``available_mb`` must hold one worker of each app, and the sum of memory never exceeds it; more
    than ENOUGH workers leave ``kept_mb`` of it free. An app with a given limit gets just that.
    Raises ``SizingError`` when a given limit cannot be met.
    """
    own = {demand.name: demand.limit_mb for demand in demands if demand.limit_mb is not None}
    _check_limits(demands, available_mb)
    shared = [demand for demand in demands if demand.name not in own]
    done = {one.demand.name: one for one in _share(shared, available_mb - sum(own.values()), kept_mb)}
    for demand in demands:
        if demand.name in own:
            done[demand.name] = replace(_share([demand], own[demand.name], 0)[0], memory_mb=own[demand.name])
    return [done[demand.name] for demand in demands]


def _check_limits(demands: Sequence[Demand], available_mb: int) -> None:
    for demand in demands:
        others = sum(other.limit_mb or other.need_mb(1) for other in demands if other is not demand)
        room = available_mb - others
        if demand.limit_mb is not None and not demand.need_mb(1) <= demand.limit_mb <= room:
            raise SizingError(
                f"{demand.where}.memory_max_mb: {demand.limit_mb} MB must hold one worker ({demand.need_mb(1)} MB: "
                f"master {demand.master_mb} + worker {demand.per_worker_mb}) and fit into the {room} MB that this "
                "host has left for this app; change it or remove it"
            )


def _share(demands: Sequence[Demand], available_mb: int, kept_mb: int) -> list[Allocation]:
    held = [Allocation(demand, 1, 1, demand.need_mb(1)) for demand in demands]
    left = available_mb - sum(one.memory_mb for one in held)
    for index, one in enumerate(held):
        held[index] = _take_given(one, left)
        left -= held[index].memory_mb - one.memory_mb
    complete = all(one.full for one in held)
    for workers, generations in ((ENOUGH, 1), (ENOUGH, 2)):
        if complete:
            left, complete = _raise_all(held, workers, generations, left)
    if complete:
        left -= _add_workers(held, left - kept_mb)
    return _spread(held, left)


def _take_given(one: Allocation, left: int) -> Allocation:
    """Honour given workers as they are, in as much memory as there is."""
    if one.demand.given is None:
        return one
    memory_mb = min(one.memory_mb + left, one.demand.need_mb(one.demand.given))
    return replace(one, workers=one.demand.given, memory_mb=memory_mb)


def _raise_all(held: list[Allocation], workers: int, generations: int, left: int) -> tuple[int, bool]:
    """Raise each app in turn, the cheapest first; stop at the first that does not fit."""
    raised = [_raised(one, workers, generations) for one in held]
    costs = sorted((new.memory_mb - old.memory_mb, index) for index, (old, new) in enumerate(zip(held, raised)))
    for cost, index in costs:
        if cost > left:
            return left, False
        held[index] = raised[index]
        left -= cost
    return left, True


def _raised(one: Allocation, workers: int, generations: int) -> Allocation:
    workers = one.demand.given or workers
    if one.demand.handover == "socket":
        generations = 1
    memory_mb = one.demand.need_mb(workers, generations)
    return replace(one, workers=workers, generations=generations, memory_mb=memory_mb)


def _add_workers(held: list[Allocation], spare_mb: int) -> int:
    """Give each app its fixed part of ``spare_mb`` in workers; return what that took.

    Parts follow what each app would use on a host of unlimited processors. They are not passed on
    when an app has enough: one app's growing target would otherwise take workers from another.
    """
    open_ended = [index for index, one in enumerate(held) if one.demand.given is None]
    total = sum(_appetite(held[index]) for index in open_ended)
    used = 0
    for index in open_ended:
        one = held[index]
        cost = one.generations * one.demand.per_worker_mb
        part = max(0, spare_mb) * _appetite(one) // total
        more = min(one.demand.target - one.workers, part // cost)
        held[index] = replace(one, workers=one.workers + more, memory_mb=one.memory_mb + more * cost)
        used += more * cost
    return used


def _appetite(one: Allocation) -> int:
    return one.demand.weight * one.demand.per_worker_mb


def _spread(held: list[Allocation], left: int) -> list[Allocation]:
    """Let each app's limit grow into half of what nobody asked for, to three times its need at most.

    The rest stays page cache. An app that needs more than assumed is then slowed, not killed.
    """
    total = sum(one.memory_mb for one in held)
    grown = []
    for one in held:
        room = min(2 * one.memory_mb, left // 2 * one.memory_mb // total) // 8 * 8
        grown.append(replace(one, memory_mb=one.memory_mb + (room if one.full else 0)))
    return grown
