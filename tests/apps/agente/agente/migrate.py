# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the database for a release, and back: ``python -m agente.migrate up`` or ``down``. Either may be run twice.

Every step is noted together with the release that took it, so ``down`` takes back what its own release did and nothing
else: a release that found all steps taken has nothing to undo. A step without a ``.down.sql`` stays; what is only added
harms no older release, and memories are not for a rollback to delete.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import asyncpg

LOCK = 7_200_001
FOLDER = Path(__file__).with_name("migrations")
NOTES = "CREATE TABLE IF NOT EXISTS schema_steps (name text PRIMARY KEY, release text NOT NULL)"


async def up(connection: asyncpg.Connection, release: str) -> None:
    """Take the steps that nobody has taken yet."""
    taken = {row["name"] for row in await connection.fetch("SELECT name FROM schema_steps")}
    for script in sorted(FOLDER.glob("*.up.sql")):
        name = script.name.removesuffix(".up.sql")
        if name not in taken:
            await _run(connection, script, "INSERT INTO schema_steps VALUES ($1, $2)", name, release)


async def down(connection: asyncpg.Connection, release: str) -> None:
    """Take back the steps of this release, the last one first."""
    query = "SELECT name FROM schema_steps WHERE release = $1 ORDER BY name DESC"
    for row in await connection.fetch(query, release):
        script = FOLDER / f"{row['name']}.down.sql"
        if script.exists():
            await _run(connection, script, "DELETE FROM schema_steps WHERE name = $1", row["name"])


async def _run(connection: asyncpg.Connection, script: Path, note: str, *values: str) -> None:
    """Run a script and note it in one transaction."""
    print(script.name)
    async with connection.transaction():
        await connection.execute(script.read_text(encoding="utf-8"))
        await connection.execute(note, *values)


async def main() -> None:
    steps = {"up": up, "down": down}
    if sys.argv[1:] not in (["up"], ["down"]):
        sys.exit("usage: python -m agente.migrate up|down")
    url = os.environ.get("DATABASE_OWNER_URL") or os.environ.get("DATABASE_URL")
    if not url:
        sys.exit("neither DATABASE_OWNER_URL nor DATABASE_URL is set")
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        await connection.execute(NOTES)
        await steps[sys.argv[1]](connection, os.environ.get("WEBSTACK_RELEASE", "by hand"))
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
