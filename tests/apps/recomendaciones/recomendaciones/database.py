# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to MySQL: a pool in each worker, or, with pooling off, one connection for each request."""

from __future__ import annotations

import functools
import logging
import os

from sqlalchemy import URL, Engine, NullPool, create_engine, make_url

log = logging.getLogger("recomendaciones")
#: With REPEATABLE READ, which is MySQL's default, a request that has begun before an index is there may not use it: it
#: fails with error 1412.
ISOLATION = "READ COMMITTED"


class NotConfiguredError(Exception):
    """DATABASE_URL is not set."""


def address(*names: str) -> URL:
    """Return the first of the variables that is set, as an address for PyMySQL. Raises ``NotConfiguredError``."""
    text = next((os.environ[name] for name in names if os.environ.get(name)), "")
    if not text:
        raise NotConfiguredError(f"{names[0]} is not set")
    return make_url(text).set(drivername="mysql+pymysql").update_query_dict({"charset": "utf8mb4"})


@functools.cache
def engine() -> Engine:
    """Return this worker's engine. The server may hang up on idle connections, so each one is tried before use."""
    url = address("DATABASE_URL")
    if os.environ.get("DATABASE_POOLING", "on") == "off":
        log.info("no pool: a connection for each request to %s", url.host)
        return create_engine(url, poolclass=NullPool, isolation_level=ISOLATION)
    size = int(os.environ.get("DATABASE_POOL_SIZE", "5"))
    overflow = int(os.environ.get("DATABASE_POOL_MAX_OVERFLOW", "0"))
    log.info("pool of %s connections, and %s for peaks, to %s:%s/%s", size, overflow, url.host, url.port, url.database)
    return create_engine(
        url,
        pool_size=size,
        max_overflow=overflow,
        pool_timeout=10,
        pool_recycle=300,
        pool_pre_ping=True,
        isolation_level=ISOLATION,
    )
