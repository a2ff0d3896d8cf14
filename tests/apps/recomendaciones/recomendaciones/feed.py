# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which videos a user should see next: what users like them watched, then the best of their interest, then the best."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, bindparam, text

NEIGHBOURS, CANDIDATES, REMEMBERED = 30, 200, 500

SELF = text("SELECT country, interest FROM users WHERE id = :self")
USERS = text(
    "SELECT id FROM users WHERE interest = :interest AND country = :country AND id <> :self"
    f" ORDER BY last_seen DESC LIMIT {NEIGHBOURS}"
)
SEEN = text(f"SELECT video_id FROM views WHERE user_id = :self ORDER BY seen_at DESC LIMIT {REMEMBERED}")
WATCHED = text(
    "SELECT video_id, COUNT(*) AS times FROM views WHERE user_id IN :users"
    f" GROUP BY video_id ORDER BY times DESC, video_id LIMIT {CANDIDATES}"
).bindparams(bindparam("users", expanding=True))
VIDEOS = text("SELECT id, title, category, score FROM videos WHERE id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
OF_INTEREST = text("SELECT id FROM videos WHERE category = :interest ORDER BY score DESC LIMIT :count")
BEST = text("SELECT id FROM videos ORDER BY score DESC LIMIT :count")


class UnknownUserError(Exception):
    """There is no such user."""


class Timings(dict[str, float]):
    """Milliseconds by kind of query: users, views, videos."""

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self[name] = self.get(name, 0.0) + (time.perf_counter() - started) * 1000


def feed(
    connection: Connection, user: int, count: int, excluded: Iterable[int]
) -> tuple[list[dict[str, Any]], Timings]:
    """Return ``count`` videos, fewer only where there are no more, and how long the queries took.

    Raises ``UnknownUserError``.
    """
    timings = Timings()
    with timings.measure("users"):
        self = connection.execute(SELF, {"self": user}).mappings().first()
        if self is None:
            raise UnknownUserError(user)
        users = connection.execute(USERS, {"self": user, **self}).scalars().all()
    with timings.measure("views"):
        seen = set(connection.execute(SEEN, {"self": user}).scalars())
        watched = connection.execute(WATCHED, {"users": users}).scalars().all() if users else []
    unwanted = set(excluded)
    enough = count + len(seen) + len(unwanted)
    with timings.measure("videos"):
        of_interest = connection.execute(OF_INTEREST, {"interest": self["interest"], "count": enough}).scalars().all()
        chosen = _first(count, [*watched, *of_interest], seen | unwanted)
        if len(chosen) < count:
            best = connection.execute(BEST, {"count": enough}).scalars().all()
            chosen = _first(count, [*chosen, *best], (seen | unwanted) - set(chosen))
        rows = connection.execute(VIDEOS, {"ids": chosen}).mappings().all() if chosen else []
    by_id = {row["id"]: dict(row) for row in rows}
    return [by_id[video] for video in chosen if video in by_id], timings


def _first(count: int, videos: Iterable[int], without: set[int]) -> list[int]:
    return [video for video in dict.fromkeys(videos) if video not in without][:count]
