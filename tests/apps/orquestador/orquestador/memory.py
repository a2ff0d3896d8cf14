# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all workers of all hosts share, in Redis: conversations that end by themselves, circuit breakers, counters."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

PREFIX = "orquestador"
MESSAGES_KEPT = 40
BUCKETS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the latency histogram, in seconds; the alert of the guide is at 5."""


class CircuitOpen(Exception):  # noqa: N818 - it is a state, not an error
    """The other side has failed too often; it is left alone for ``seconds``."""

    def __init__(self, name: str, seconds: int) -> None:
        super().__init__(f"{name} is left alone for another {seconds} s")
        self.seconds = seconds


class Sessions:
    """Conversations; each ends ``ttl`` seconds after its last message."""

    def __init__(self, redis: Redis, ttl: int) -> None:
        self._redis = redis
        self._ttl = ttl

    async def read(self, session: str) -> list[dict[str, str]]:
        return [json.loads(text) for text in await self._redis.lrange(_key("session", session), 0, -1)]

    async def add(self, session: str, messages: Sequence[dict[str, str]]) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.rpush(_key("session", session), *(json.dumps(message) for message in messages))
            pipe.ltrim(_key("session", session), -MESSAGES_KEPT, -1)
            pipe.expire(_key("session", session), self._ttl)
            await pipe.execute()

    async def clear(self, session: str) -> bool:
        return bool(await self._redis.delete(_key("session", session)))


class Breaker:
    """Opens after ``failures`` in a row. After ``reset`` seconds one request may try; its success closes it."""

    def __init__(self, redis: Redis, name: str, failures: int, reset: int) -> None:
        self._redis, self.name = redis, name
        self._failures, self._reset = failures, reset

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Raise ``CircuitOpen`` at once where the other side is known to be down; count how the block ends."""
        if await self._count() >= self._failures:
            mine = await self._redis.set(_key("trial", self.name), 1, nx=True, ex=self._reset)
            if not mine:
                raise CircuitOpen(self.name, max(1, await self._redis.ttl(_key("trial", self.name))))
        try:
            yield
        except Exception:
            await self._failed()
            raise
        await self._redis.delete(_key("failures", self.name), _key("trial", self.name))

    async def _failed(self) -> None:
        if await self._redis.incr(_key("failures", self.name)) >= self._failures:
            await self._redis.set(_key("trial", self.name), 1, ex=self._reset)

    async def _count(self) -> int:
        return int(await self._redis.get(_key("failures", self.name)) or 0)

    async def show(self) -> dict[str, Any]:
        count = await self._count()
        waiting = await self._redis.exists(_key("trial", self.name))
        state = "closed" if count < self._failures else "open" if waiting else "half_open"
        return {"state": state, "failures": count}


class Metrics:
    """Requests, failures and latencies of the whole service since it was first started."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def count(self, status: int, seconds: float) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hincrby(_key("metrics"), "requests", 1)
            pipe.hincrby(_key("metrics"), f"status_{status // 100}xx", 1)
            pipe.hincrbyfloat(_key("metrics"), "seconds_sum", round(seconds, 4))
            for bound in (bound for bound in BUCKETS if seconds <= bound):
                pipe.hincrby(_key("metrics"), f"seconds_le_{bound:g}", 1)
            await pipe.execute()

    async def show(self) -> dict[str, float]:
        return {name: float(value) for name, value in sorted((await self._redis.hgetall(_key("metrics"))).items())}


def _key(*parts: str) -> str:
    return ":".join((PREFIX, *parts))
