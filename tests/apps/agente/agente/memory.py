# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memories in PostgreSQL, found by meaning with pgvector."""

from __future__ import annotations

from typing import Any

import asyncpg

from .embedding import as_text, embed


class NoMemory(Exception):  # noqa: N818 - it is a state, not an error
    """The database cannot be reached."""


class Memory:
    """Connects when it is first used, so that the app starts without its database.

    ``timeout`` is how long a connection may take (seconds).
    """

    def __init__(self, url: str, pool_size: int, timeout: float) -> None:
        self._url = url
        self._pool_size = pool_size
        self._timeout = timeout
        self._pool: asyncpg.Pool | None = None

    async def add(self, text: str) -> int:
        """Remember a text; returns its number."""
        query = "INSERT INTO memories (text, embedding) VALUES ($1, $2::text::vector) RETURNING id"
        return int((await self._fetch(query, text, as_text(embed(text))))[0]["id"])

    async def nearest(self, text: str, count: int) -> list[dict[str, Any]]:
        """Return the memories that are closest to a text, with their cosine distance (0 to 2)."""
        query = """
            SELECT id, text, embedding <=> $1::text::vector AS distance
            FROM memories ORDER BY embedding <=> $1::text::vector LIMIT $2
        """
        return [dict(row) for row in await self._fetch(query, as_text(embed(text)), count)]

    async def ready(self) -> None:
        """Raise ``NoMemory`` unless the database answers and has been migrated."""
        await self._fetch("SELECT FROM memories LIMIT 1")

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()

    async def _fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        try:
            if self._pool is None:
                self._pool = asyncpg.create_pool(
                    self._url, min_size=0, max_size=self._pool_size, timeout=self._timeout, command_timeout=30
                )
            pool = await self._pool
            return list(await pool.fetch(query, *values))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise NoMemory(type(error).__name__) from error
