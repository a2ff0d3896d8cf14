# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Database connections, bottom up: what the apps open never exceeds what the database admits.

Both generations of an app hold connections while one is handed over to the other, or kept warm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .errors import SizingError
from .sheet import Sheet
from .types import AppWorkload, HostWorkload
from .workers import ENOUGH, EVENT_LOOPS, Allocation, Demand

#: Slots kept for superusers, and for backups, migrations and somebody looking for what is wrong.
RESERVED = 3
MAINTENANCE = 5
#: An event loop rarely has more queries under way than this; the second half is closed after a peak.
LOOP_POOL = (5, 5)


@dataclass(frozen=True)
class Admission:
    """How many connections the apps of this host may open to one database, and why not more."""

    connections: int
    text: str


@dataclass(frozen=True)
class Pool:
    """Database connections of one worker; None without a database. ``total`` is over all workers and generations."""

    size: int | None = None
    overflow: int | None = None
    total: int = 0


def admit(service: str, database: str, most: int, text: str, workload: HostWorkload) -> Admission:
    """Return what is left for this host's apps of the ``most`` connections that ``service`` holds for ``database``.

    Raises ``SizingError`` when not even one connection for each worker is left.
    """
    remote = workload.remote_clients.get(database, 0)
    # Two workers in two generations is what every app may rely on.
    least = 2 * ENOUGH * sum(database in app.databases for app in workload.apps)
    if most - remote < least:
        elsewhere = f" and {remote} of apps on other hosts" if remote else ""
        raise SizingError(
            f"{service}: this host is too small for its clients: {text}, but {least} connections of the apps here"
            f"{elsewhere} are to be admitted; lower pool_size or workers of the apps, put pgbouncer in front, or use "
            "a host with more memory"
        )
    return Admission(most - remote, text)


def bound_workers(
    demands: Sequence[Demand], apps: Sequence[AppWorkload], admissions: Mapping[str, Admission]
) -> list[Demand]:
    """Lower targets where a database would not admit one connection for each worker of two generations."""
    bound = []
    for demand, app in zip(demands, apps):
        for service in app.databases:
            if service not in admissions:
                continue
            sharing = sum(service in other.databases for other in apps)
            most = max(ENOUGH, admissions[service].connections // sharing // 2)
            if most < demand.target:
                reason = f"one connection each in two generations: {admissions[service].text}"
                demand = replace(demand, target=most, target_reason=reason)
        bound.append(demand)
    return bound


def plan_pools(
    apps: Sequence[AppWorkload],
    allocations: Sequence[Allocation],
    threads: Sequence[int],
    admissions: Mapping[str, Admission],
    sheet: Sheet,
) -> list[Pool]:
    """Return every app's pool: what its workers can use, less where the database admits less.

    Raises ``SizingError`` when given pool sizes do not fit.
    """
    wishes = [_wish(app, own, sheet) for app, own in zip(apps, threads)]
    holders = [_holders(app, got) for app, got in zip(apps, allocations)]
    factors = {service: _factor(service, apps, wishes, holders, admissions[service], sheet) for service in admissions}
    return [_pool(app, wish, held, factors, sheet) for app, wish, held in zip(apps, wishes, holders)]


@dataclass(frozen=True)
class _Wish:
    size: int
    overflow: int
    reason: str
    given: bool

    @property
    def each(self) -> int:
        return self.size + self.overflow


def _holders(app: AppWorkload, got: Allocation) -> int:
    """Return the workers that hold connections at the same time: those of two generations when both may run."""
    two = got.generations > 1 or "side_by_side" in (app.handover, got.demand.handover)
    return got.workers * (2 if two else 1)


def _wish(app: AppWorkload, threads: int, sheet: Sheet) -> _Wish:
    path = f"gunicorn.{app.name}"
    size = sheet.given_integer(f"{path}.pool_size")
    overflow = sheet.given_integer(f"{path}.pool_max_overflow", 0)
    if not app.databases and size is None:
        return _Wish(0, 0, "the app declares no database", False)
    if app.worker_class in EVENT_LOOPS:
        usual, peak, reason = *LOOP_POOL, "queries that an event loop usually has under way"
    else:
        usual, peak, reason = threads, 0, "one for each thread"
    given = size is not None or overflow is not None
    # A given size is the whole pool: overflow beyond it is the user's to give as well.
    if overflow is None:
        overflow = peak if size is None else 0
    return _Wish(usual if size is None else size, overflow, reason, given)


def _factor(
    service: str,
    apps: Sequence[AppWorkload],
    wishes: Sequence[_Wish],
    holders: Sequence[int],
    admission: Admission,
    sheet: Sheet,
) -> float:
    """Return the part of what each app wishes beyond one connection per worker that ``service`` admits."""
    users = [(wish, held) for app, wish, held in zip(apps, wishes, holders) if service in app.databases]
    fixed = sum(held * (wish.each if wish.given else 1) for wish, held in users)
    if fixed > admission.connections:
        asked = " + ".join(f"{held} × {wish.each if wish.given else 1}" for wish, held in users)
        raise SizingError(
            f"{service}: the apps' workers, both generations counted, open at least {asked} = {fixed} connections, but "
            f"{admission.connections} are left for them: {admission.text}; lower pool_size or workers, put pgbouncer "
            "in front, or use a host with more memory"
        )
    beyond = sum(held * (wish.each - 1) for wish, held in users if not wish.given)
    return min(1.0, (admission.connections - fixed) / beyond) if beyond else 1.0


def _pool(app: AppWorkload, wish: _Wish, held: int, factors: Mapping[str, float], sheet: Sheet) -> Pool:
    path = f"gunicorn.{app.name}"
    if wish.each == 0:
        sheet.note(f"{path}.pool_size", None, wish.reason)
        sheet.note(f"{path}.pool_max_overflow", None, wish.reason)
        sheet.note(f"{path}.connections", 0, wish.reason)
        return Pool()
    factor = min((factors[service] for service in app.databases if service in factors), default=1.0)
    each = wish.each if wish.given else 1 + int((wish.each - 1) * factor)
    size = min(wish.size, each)
    reason = wish.reason if each == wish.each else f"{wish.reason} would be {wish.each}; the database admits fewer"
    size = sheet.integer(f"{path}.pool_size", size, reason)
    overflow = sheet.integer(f"{path}.pool_max_overflow", max(0, each - size), "for peaks", 0)
    total = held * (size + overflow)
    sheet.note(f"{path}.connections", total, f"{held} workers of all generations × ({size} + {overflow})")
    return Pool(size, overflow, total)


def open_to(pools: Sequence[Pool], apps: Sequence[AppWorkload], service: str) -> int:
    """Return the connections that all apps of this host may open to ``service``."""
    return sum(pool.total for pool, app in zip(pools, apps) if service in app.databases)


def needed(service: str, own: int, workload: HostWorkload) -> tuple[int, str]:
    """Return the connections that ``service`` has to admit, 0 where no client is known, and the sum in words."""
    remote = workload.remote_clients.get(service, 0)
    if own + remote == 0:
        return 0, "no client is known"
    parts = [f"{own} of the apps here"] if own else []
    parts += [f"{remote} from other hosts"] if remote else []
    parts += [f"{MAINTENANCE} for maintenance", f"{RESERVED} reserved"]
    return own + remote + MAINTENANCE + RESERVED, " + ".join(parts)


def behind_pgbouncer(server_connections: int) -> tuple[int, str]:
    """Return the connections that PostgreSQL has to admit when PgBouncer is its only client."""
    text = f"{server_connections} of pgbouncer + {MAINTENANCE} for maintenance + {RESERVED} reserved"
    return server_connections + MAINTENANCE + RESERVED, text
