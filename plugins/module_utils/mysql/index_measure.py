# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure queries, read their plans, and say whether they became better. The reading is pure, the measuring is not."""

from __future__ import annotations

import hashlib
import json
import math
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .connection import QueryError, Session
from .errors import MysqlError
from .server import Server

IMPROVED, SAME, SLOWER = "improved", "same", "slower"
_COMMENT = re.compile(r"/\*.*?\*/|--[ \t][^\n]*|#[^\n]*", re.DOTALL)
_TEXT = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`[^`]*`", re.DOTALL)
_LOCKS = re.compile(
    r"\binto\s+(?:outfile|dumpfile|@|[a-z_])|\bfor\s+update\b|\block\s+in\s+share\s+mode\b|\bfor\s+share\b", re.I
)
# 3024: MySQL's max_execution_time; 1969: MariaDB's max_statement_time.
_TIMED_OUT = (3024, 1969)
_NO_TABLE = 1146
#: A query that takes long is run less often than asked, but never less often than this.
FEWEST_RUNS = 3
#: Apps write meanwhile, so that a few more rows are read.
_SAME_ROWS = 0.05


class NoTableError(MysqlError):
    """A query is about a table that is not there."""


@dataclass(frozen=True)
class Query:
    """A query that indexes are for; ``max_ms`` is how fast its median should be."""

    name: str
    sql: str
    params: tuple[Any, ...] = ()
    max_ms: float | None = None

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps([self.sql, list(self.params)], default=str).encode()).hexdigest()[:16]


def parse_query(given: Mapping[str, Any]) -> Query:
    """Read one entry of the option ``queries``. Raises ``MysqlError`` for what is not one plain SELECT."""
    query = Query(
        str(given["name"]), str(given["sql"]).strip().rstrip(";"), tuple(given.get("params") or ()), given.get("max_ms")
    )
    bare = _TEXT.sub("''", _COMMENT.sub(" ", query.sql)).strip()
    if not re.match(r"(?:\(\s*)*(?:select|with)\b", bare, re.I):
        raise MysqlError(f"queries: {query.name}: only SELECT is run, this begins with {bare[:20]!r}")
    if ";" in bare:
        raise MysqlError(f"queries: {query.name}: more than one statement")
    if _LOCKS.search(bare):
        raise MysqlError(f"queries: {query.name}: it writes or locks; give the SELECT alone")
    return query


@dataclass(frozen=True)
class Measurement:
    """How one query did: times of its runs (ms), rows that it returned and that the server read for it, its plan."""

    times: list[float]
    rows: int
    rows_read: int
    explain: list[dict[str, Any]] = field(default_factory=list)
    timed_out: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def p95(self) -> float:
        return quantile(self.times, 0.95)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(known: Mapping[str, Any]) -> Measurement:
        return Measurement(**known)

    def report(self) -> dict[str, Any]:
        """Return it as the module's result has it."""
        return {
            "median_ms": round(self.median, 3),
            "p95_ms": round(self.p95, 3),
            "runs": len(self.times),
            "rows": self.rows,
            "rows_read": self.rows_read,
            "timed_out": self.timed_out,
            "indexes": sorted(used_indexes(self.explain)),
            "explain": self.explain,
        }


def quantile(times: Sequence[float], share: float) -> float:
    """Return the smallest time that at least ``share`` of all runs did not exceed (nearest rank)."""
    ordered = sorted(times)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def compare(before: Measurement, after: Measurement, min_improvement: float) -> str:
    """Return what became of a query.

    It improved, or became slower, when its median differs by ``min_improvement`` percent at least and the middle
    halves of its runs do not overlap: a difference within the noise of either side is none. And when it is carried out
    as before, with the same indexes and as many rows read, it is the same: then the host was busier once, no more.
    """
    if _same_work(before, after):
        return SAME
    factor = 1 - min_improvement / 100
    if before.timed_out and not after.timed_out:
        return IMPROVED
    if after.timed_out and not before.timed_out:
        return SLOWER
    if after.median <= before.median * factor and quantile(after.times, 0.75) < quantile(before.times, 0.25):
        return IMPROVED
    if before.median <= after.median * factor and quantile(before.times, 0.75) < quantile(after.times, 0.25):
        return SLOWER
    return SAME


def _same_work(before: Measurement, after: Measurement) -> bool:
    if before.timed_out or after.timed_out or used_indexes(before.explain) != used_indexes(after.explain):
        return False
    return abs(before.rows_read - after.rows_read) <= max(before.rows_read, after.rows_read) * _SAME_ROWS


def used_indexes(explain: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the names in the column ``key`` of an EXPLAIN; several are joined with ``,`` or ``|``."""
    keys = [str(row.get("key") or "") for row in explain]
    return {name.strip() for key in keys for name in re.split(r"[,|]", key) if name.strip()}


def explain_query(session: Session, server: Server, query: Query) -> list[dict[str, Any]]:
    """Return a query's plan as the rows of EXPLAIN. Raises ``MysqlError`` naming the query."""
    form = "" if server.is_mariadb else "FORMAT=TRADITIONAL "
    try:
        found = session.rows(f"EXPLAIN {form}{query.sql}", query.params or None)
    except QueryError as error:
        kind = NoTableError if error.code == _NO_TABLE else MysqlError
        raise kind(f"queries: {query.name}: the server refuses it: {error}") from None
    keep = ("table", "type", "key", "rows", "filtered", "extra")
    return [{name: _plain(row[name]) for name in keep if row.get(name) is not None} for row in found]


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, float)) else str(value)


def prepare(session: Session, server: Server, timeout: float) -> None:
    """Make a session measure only: nothing is written, nothing comes out of a cache, nothing takes for ever."""
    session.run("SET SESSION TRANSACTION READ ONLY")
    if server.is_mariadb:
        session.run("SET SESSION max_statement_time = %s", [timeout])
    else:
        session.run("SET SESSION max_execution_time = %s", [int(timeout * 1000)])
    if session.value("SHOW VARIABLES LIKE 'query_cache_type'"):
        session.run("SET SESSION query_cache_type = OFF")


def measure(session: Session, server: Server, query: Query, runs: int, seconds: float) -> Measurement:
    """Run a query ``runs`` times after one that does not count, or as often as ``seconds`` allow."""
    explain = explain_query(session, server, query)
    times: list[float] = []
    rows = read = 0
    end = time.monotonic() + seconds
    for turn in range(runs + 1):
        before = _rows_read(session) if turn == 0 else 0
        started = time.perf_counter()
        try:
            rows = session.fetch_all(query.sql, query.params or None)
        except QueryError as error:
            if error.code not in _TIMED_OUT:
                raise MysqlError(f"queries: {query.name}: the server refuses it: {error}") from None
            return Measurement([(time.perf_counter() - started) * 1000], 0, 0, explain, timed_out=True)
        elapsed = (time.perf_counter() - started) * 1000
        if turn == 0:
            # The first run fills the buffer pool.
            read = _rows_read(session) - before
        else:
            times.append(round(elapsed, 4))
        if time.monotonic() > end and len(times) >= FEWEST_RUNS:
            break
    return Measurement(times, rows, read, explain)


def _rows_read(session: Session) -> int:
    """Return how many rows the storage engine has handed to this session: work that no neighbour alters."""
    found = session.rows("SHOW SESSION STATUS LIKE 'Handler_read%'")
    return sum(int(row["value"]) for row in found)
