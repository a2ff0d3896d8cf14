# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to the three stores: pools of this worker, or, where a request asks for it, new ones."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool
from redis import Redis
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url, text

DIMENSIONS = 128
ACCOUNTS = 100
KEEP_SECONDS = 600
SIZE = int(os.environ.get("DATABASE_POOL_SIZE", "5"))
OVERFLOW = int(os.environ.get("DATABASE_POOL_MAX_OVERFLOW", "0"))
NEAREST = "SELECT id, text FROM notes ORDER BY embedding <=> %s::vector LIMIT 5"


@dataclass(frozen=True)
class Stores:
    """One connection to each store."""

    postgres: psycopg.Connection[Any]
    mysql: Connection
    redis: Redis


def mysql_address(name: str) -> URL:
    return make_url(os.environ[name]).set(drivername="mysql+pymysql").update_query_dict({"charset": "utf8mb4"})


@functools.cache
def _pools() -> tuple[ConnectionPool[Any], Engine, Redis]:
    postgres = ConnectionPool(
        os.environ["DATABASE_URL"], min_size=1, max_size=SIZE + OVERFLOW, timeout=10, max_idle=60, open=True
    )
    mysql = create_engine(
        mysql_address("MYSQL_URL"), pool_size=SIZE, max_overflow=OVERFLOW, pool_timeout=10, pool_pre_ping=True
    )
    return postgres, mysql, Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


@contextmanager
def stores(fresh: bool = False) -> Iterator[Stores]:
    """Give one connection to each store; ``fresh`` ones log in anew. What was written is committed at the end."""
    with ExitStack() as stack:
        if fresh:
            postgres = stack.enter_context(psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=10))
            engine = create_engine(mysql_address("MYSQL_URL"), poolclass=NullPool)
            redis = stack.enter_context(Redis.from_url(os.environ["REDIS_URL"], decode_responses=True))
        else:
            pool, engine, redis = _pools()
            postgres = stack.enter_context(pool.connection())
        yield Stores(postgres, stack.enter_context(engine.begin()), redis)


def embed(words: str) -> str:
    """Return a vector as pgvector reads it; equal words give the same one."""
    digest = hashlib.shake_128(words.encode()).digest(DIMENSIONS)
    return "[" + ",".join(str(byte - 128) for byte in digest) + "]"


def enter(to: Stores, words: str) -> dict[str, Any]:
    """Write a note to all three stores, and return what each of them then says of it."""
    vector, account = embed(words), int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big") % ACCOUNTS
    row = to.postgres.execute("INSERT INTO notes (text, embedding) VALUES (%s, %s) RETURNING id", [words, vector])
    (note,) = row.fetchone() or (0,)
    nearest = [found for _unused, found in to.postgres.execute(NEAREST, [vector]).fetchall()]
    values = {"account": account, "words": words}
    entry = to.mysql.execute(text("INSERT INTO entries (account, text) VALUES (:account, :words)"), values).lastrowid
    count = to.mysql.execute(text("SELECT COUNT(*) FROM entries WHERE account = :account"), values).scalar_one()
    key = f"ledger:note:{note}"
    _set, total, echo = (
        to.redis.pipeline(transaction=False).set(key, words, ex=KEEP_SECONDS).incr("ledger:total").get(key).execute()
    )
    return {"note": note, "entry": entry, "entries": count, "total": total, "echo": echo, "nearest": nearest}


def problems() -> list[str]:
    """Return which stores do not answer."""
    found = []
    try:
        with stores() as to:
            to.postgres.execute("SELECT 1 FROM notes LIMIT 1")
            to.mysql.execute(text("SELECT 1 FROM entries LIMIT 1"))
            to.redis.get("ledger:total")
    except Exception as error:
        found.append(type(error).__name__)  # its text may tell more than the public should know
    return found
