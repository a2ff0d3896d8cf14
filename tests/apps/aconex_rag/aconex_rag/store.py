# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PostgreSQL keeps: documents, their passages with vectors, and conversations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from .embedding import embed

SEARCH = """
    SELECT p.text, d.name AS document, 1 - (p.embedding <=> %(vector)s::vector) AS score
    FROM passages p JOIN documents d ON d.id = p.document_id
    WHERE %(project)s::text IS NULL OR p.project_id = %(project)s
    ORDER BY p.embedding <=> %(vector)s::vector LIMIT %(count)s
"""
LAST_HOUR = "SELECT count(*) AS uploads FROM documents WHERE client = %s AND created_at > now() - interval '1 hour'"


class UploadLimitError(Exception):
    """The client has used up this hour's uploads."""


class Store:
    """A pool of connections, at most as many as the host's plan has for one worker; it opens without a database too."""

    def __init__(self, url: str) -> None:
        size = int(os.environ.get("DATABASE_POOL_SIZE", "5"))
        most = size + int(os.environ.get("DATABASE_POOL_MAX_OVERFLOW", "5"))
        self.pool = AsyncConnectionPool(
            url, min_size=size, max_size=most, timeout=5, max_idle=60, open=False, kwargs={"row_factory": dict_row}
        )

    async def problem(self) -> str:
        """Say in a word why there is no answer; empty when there is one."""
        try:
            async with self.pool.connection(timeout=3) as connection:
                await connection.execute("SELECT id FROM passages LIMIT 1")
        except Exception as error:
            return type(error).__name__  # the text of a database's error may tell more than the public should know
        return ""

    async def search(self, query: str, project_id: str | None, count: int) -> list[dict[str, Any]]:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(SEARCH, {"vector": embed(query), "project": project_id, "count": count})
            return await cursor.fetchall()

    async def add_document(self, project_id: str, name: str, client: str, passages: Sequence[str], hourly: int) -> int:
        """Store a document and return its id. Raises ``UploadLimitError``, counted over all workers and hosts."""
        rows = [(text, embed(text)) for text in passages]
        async with self.pool.connection() as connection, connection.cursor() as cursor:
            await cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [client])
            await cursor.execute(LAST_HOUR, [client])
            counted = await cursor.fetchone()
            if counted and counted["uploads"] >= hourly:
                raise UploadLimitError
            await cursor.execute(
                "INSERT INTO documents (project_id, name, client) VALUES (%s, %s, %s) RETURNING id",
                [project_id, name, client],
            )
            document = (await cursor.fetchone() or {})["id"]
            await cursor.executemany(
                "INSERT INTO passages (document_id, project_id, text, embedding) VALUES (%s, %s, %s, %s)",
                [(document, project_id, text, vector) for text, vector in rows],
            )
            return int(document)

    async def add_messages(self, conversation: str, messages: Sequence[tuple[str, str]]) -> None:
        async with self.pool.connection() as connection, connection.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO messages (conversation_id, role, content) VALUES (%s, %s, %s)",
                [(conversation, role, content) for role, content in messages],
            )

    async def history(self, conversation: str) -> list[dict[str, Any]]:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT role, content, created_at FROM messages WHERE conversation_id = %s ORDER BY id LIMIT 500",
                [conversation],
            )
            return await cursor.fetchall()
