# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make what is missing of the tables: ``python -m ledger.schema``. Nothing is ever dropped or changed."""

from __future__ import annotations

import os

import psycopg
from sqlalchemy import create_engine, text

from .stores import mysql_address

NOTES = (
    "CREATE TABLE IF NOT EXISTS notes (id bigserial PRIMARY KEY, text text NOT NULL, embedding vector(128) NOT NULL)"
)
ENTRIES = """CREATE TABLE IF NOT EXISTS entries (
    id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, account INT UNSIGNED NOT NULL, text VARCHAR(200) NOT NULL,
    made_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, KEY entries_account (account)) ENGINE = InnoDB"""


def main() -> None:
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as connection:
        connection.execute(NOTES)
    with create_engine(mysql_address("MYSQL_OWNER_URL")).begin() as mysql:
        mysql.execute(text(ENTRIES))


if __name__ == "__main__":
    main()
