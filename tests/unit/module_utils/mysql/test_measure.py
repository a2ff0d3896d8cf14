# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A query improved when the clock says so beyond its noise; an index helped when such a query uses it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.errors import MysqlError
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.index_measure import (
    IMPROVED,
    SAME,
    SLOWER,
    Measurement,
    compare,
    parse_query,
    quantile,
    used_indexes,
)


def measured(*times: float, rows_read: int | None = None, **options: Any) -> Measurement:
    """A measurement; without ``rows_read`` its work differs from any other's."""
    return Measurement(list(times), 1, int(sum(times) * 1000) if rows_read is None else rows_read, **options)


def query(sql: str, **options: Any) -> Any:
    return parse_query({"name": "q", "sql": sql, **options})


FAST, SLOW = measured(1, 1.1, 1.2, 1.3), measured(10, 11, 12, 13)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (SLOW, FAST, IMPROVED),
        (FAST, SLOW, SLOWER),
        (FAST, FAST, SAME),
        (measured(10, 10, 10, 10), measured(9.5, 9.5, 9.5, 9.5), SAME),
        (measured(10, 10, 10, 10), measured(8.9, 8.9, 8.9, 8.9), IMPROVED),
        (measured(1, 10, 10, 20), measured(1, 1, 12, 12), SAME),
        (measured(5, timed_out=True), measured(4000), IMPROVED),
        (measured(4000), measured(5, timed_out=True), SLOWER),
        (measured(5, timed_out=True), measured(5, timed_out=True), SAME),
        (measured(10, 11, rows_read=1000), measured(1, 1, rows_read=1000), SAME),
        (measured(10, 11, rows_read=1000), measured(1, 1, rows_read=1020), SAME),
        (measured(10, 11, rows_read=1000), measured(1, 1, rows_read=900), IMPROVED),
        (measured(10, 11, rows_read=9), measured(1, 1, rows_read=9, explain=[{"key": "i"}]), IMPROVED),
    ],
)
def test_the_verdict_on_a_query(before: Measurement, after: Measurement, verdict: str) -> None:
    assert compare(before, after, min_improvement=10) == verdict


@pytest.mark.parametrize(("share", "time"), [(0.25, 5), (0.5, 10), (0.95, 19), (1, 20)])
def test_quantiles_are_times_that_were_seen(share: float, time: float) -> None:
    assert quantile([float(time) for time in range(20, 0, -1)], share) == time


@pytest.mark.parametrize(
    ("keys", "used"),
    [
        ([None, "PRIMARY"], {"PRIMARY"}),
        (["a,b"], {"a", "b"}),
        (["a|b", "c"], {"a", "b", "c"}),
        ([], set()),
    ],
)
def test_the_indexes_of_a_plan(keys: list[str | None], used: set[str]) -> None:
    assert used_indexes([{"key": key} for key in keys]) == used


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select ';', 'it''s for update' from t;",
        "  ( SELECT 1 ) UNION (SELECT 2)",
        "/* app */ SELECT 1 -- why; not\n",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT `into outfile` FROM t",
    ],
)
def test_plain_selects_are_run(sql: str) -> None:
    assert query(sql).sql


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM t",
        "SELECT 1; DROP TABLE t",
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM t LOCK IN SHARE MODE",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT 1 INTO @x",
        "SET GLOBAL max_connections = 1",
        "",
    ],
)
def test_what_writes_or_locks_is_refused(sql: str) -> None:
    with pytest.raises(MysqlError, match="queries: q: "):
        query(sql)


def test_queries_with_other_parameters_are_other_queries() -> None:
    one, other = query("SELECT %s", params=[1]), query("SELECT %s", params=[2])
    assert one.digest != other.digest and one.digest == query("SELECT %s", params=[1], max_ms=5).digest


def test_a_measurement_survives_the_journal() -> None:
    one = measured(1, 2, explain=[{"key": "a"}])
    assert Measurement.from_dict(one.to_dict()) == one
