# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the database to a version: ``python -m agente.migrate 2``. It may be run any number of times.

Each step and the note that it was taken are one transaction, and runs wait for one another.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import asyncpg

LOCK = 7_200_001
STEPS = sorted(Path(__file__).with_name("migrations").glob("*.up.sql"))


async def migrate(connection: asyncpg.Connection, target: int) -> None:
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
    await connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version int PRIMARY KEY)")
    version = await connection.fetchval("SELECT coalesce(max(version), 0) FROM schema_version")
    for number, up in enumerate(STEPS, start=1):
        if version < number <= target:
            await _take(connection, up, "INSERT INTO schema_version VALUES ($1)", number)
    for number, up in reversed(list(enumerate(STEPS, start=1))):
        if target < number <= version:
            down = up.with_name(up.name.replace(".up.", ".down."))
            await _take(connection, down, "DELETE FROM schema_version WHERE version = $1", number)


async def _take(connection: asyncpg.Connection, script: Path, note: str, number: int) -> None:
    print(script.name)
    async with connection.transaction():
        await connection.execute(script.read_text(encoding="utf-8"))
        await connection.execute(note, number)


async def main() -> None:
    if len(sys.argv) != 2 or not sys.argv[1].isdigit() or int(sys.argv[1]) > len(STEPS):
        sys.exit(f"usage: python -m agente.migrate VERSION    (0 to {len(STEPS)})")
    url = os.environ.get("DATABASE_OWNER_URL") or os.environ.get("DATABASE_URL")
    if not url:
        sys.exit("DATABASE_URL is not set")
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await migrate(connection, int(sys.argv[1]))
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
