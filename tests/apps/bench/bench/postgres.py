# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An endpoint that asks PostgreSQL."""

import os
import random

from psycopg_pool import ConnectionPool

from . import answer

ROWS = 100_000
SIZE = int(os.environ["BENCH_POOL"])
POOL = ConnectionPool(os.environ["BENCH_DATABASE"], min_size=SIZE, max_size=SIZE, open=True)
POOL.wait()


def app(environ, start_response):
    """Ask for the sum over a range of a table."""
    if environ["PATH_INFO"] == "/health":
        return answer(start_response, {})
    first = random.randrange(ROWS)
    with POOL.connection() as connection:
        query = "SELECT count(*), sum(amount) FROM orders WHERE id BETWEEN %s AND %s"
        count, total = connection.execute(query, (first, first + 500)).fetchone()
    return answer(start_response, {"count": count, "total": total})
