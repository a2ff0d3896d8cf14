# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make what is missing of the tables: ``python -m recomendaciones.schema``. Nothing is ever dropped or changed."""

from __future__ import annotations

from sqlalchemy import create_engine, text

from .database import address

STATEMENTS = (
    """CREATE TABLE IF NOT EXISTS users (
        id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, country CHAR(2) NOT NULL, interest VARCHAR(20) NOT NULL,
        last_seen DATETIME NOT NULL) ENGINE = InnoDB""",
    """CREATE TABLE IF NOT EXISTS videos (
        id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, title VARCHAR(120) NOT NULL, category VARCHAR(20) NOT NULL,
        score FLOAT NOT NULL) ENGINE = InnoDB""",
    """CREATE TABLE IF NOT EXISTS views (
        id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, user_id INT UNSIGNED NOT NULL, video_id INT UNSIGNED NOT NULL,
        seen_at DATETIME NOT NULL) ENGINE = InnoDB""",
)


def main() -> None:
    with create_engine(address("DATABASE_OWNER_URL", "DATABASE_URL")).begin() as connection:
        for statement in STATEMENTS:
            connection.execute(text(statement))


if __name__ == "__main__":
    main()
