# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make what is missing of the tables: ``python -m aconex_rag.schema``. Nothing is ever dropped or changed."""

from __future__ import annotations

import os
import sys

import psycopg

from .embedding import DIMENSIONS

STATEMENTS = (
    """CREATE TABLE IF NOT EXISTS documents (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, project_id text NOT NULL, name text NOT NULL,
        client text NOT NULL, created_at timestamptz NOT NULL DEFAULT now())""",
    "CREATE INDEX IF NOT EXISTS documents_client ON documents (client, created_at)",
    f"""CREATE TABLE IF NOT EXISTS passages (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, document_id bigint NOT NULL REFERENCES documents,
        project_id text NOT NULL, text text NOT NULL, embedding vector({DIMENSIONS}) NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS passages_embedding ON passages USING hnsw (embedding vector_cosine_ops)",
    """CREATE TABLE IF NOT EXISTS messages (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, conversation_id text NOT NULL, role text NOT NULL,
        content text NOT NULL, created_at timestamptz NOT NULL DEFAULT now())""",
    "CREATE INDEX IF NOT EXISTS messages_conversation ON messages (conversation_id, id)",
)


def main() -> None:
    url = os.environ.get("DATABASE_OWNER_URL") or os.environ.get("DATABASE_URL")
    if not url:
        sys.exit("neither DATABASE_OWNER_URL nor DATABASE_URL is set")
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(1)")  # two hosts may be at it
        for statement in STATEMENTS:
            connection.execute(statement)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
