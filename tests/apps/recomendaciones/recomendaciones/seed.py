# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill empty tables, the same way every time: ``python -m recomendaciones.seed [VIEWS]``."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable
from itertools import islice

from sqlalchemy import create_engine, text

from .database import address

USERS, VIDEOS, VIEWS = 20_000, 30_000, 400_000
COUNTRIES = ("CO", "MX", "AR", "CL", "PE", "ES")
CATEGORIES = ("ciencia", "arte", "historia", "musica", "deporte", "cocina", "viajes", "idiomas", "finanzas", "juegos")
BATCH = 5000


def main() -> None:
    views = int(sys.argv[1]) if len(sys.argv) > 1 else VIEWS
    chance = random.Random(42)

    def moment() -> str:
        return f"2026-{chance.randint(1, 10):02}-{chance.randint(1, 28):02} {chance.randint(0, 23):02}:00:00"

    def popular() -> int:
        """Return a video; a tenth of them have most views."""
        return chance.randint(1, VIDEOS if chance.random() < 0.3 else VIDEOS // 10)

    users = ((chance.choice(COUNTRIES), chance.choice(CATEGORIES), moment()) for _unused in range(USERS))
    videos = ((f"Video {number}", chance.choice(CATEGORIES), round(chance.random(), 4)) for number in range(VIDEOS))
    seen = ((chance.randint(1, USERS), popular(), moment()) for _unused in range(views))
    with create_engine(address("DATABASE_URL")).begin() as connection:
        if connection.execute(text("SELECT 1 FROM users LIMIT 1")).first():
            return
        cursor = connection.connection.cursor()

        def fill(table: str, columns: str, rows: Iterable[tuple[object, ...]]) -> None:
            rows = iter(rows)
            while batch := list(islice(rows, BATCH)):
                cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES (%s, %s, %s)", batch)

        fill("users", "country, interest, last_seen", users)
        fill("videos", "title, category, score", videos)
        fill("views", "user_id, video_id, seen_at", seen)


if __name__ == "__main__":
    main()
