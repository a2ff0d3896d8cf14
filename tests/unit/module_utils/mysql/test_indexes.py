# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted is judged against what is there, before anything is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.errors import MysqlError
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.index_plan import (
    estimated_bytes,
    plan_indexes,
    space_problem,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.index_types import (
    Column,
    Existing,
    Index,
    Part,
    Table,
    definitions,
    drop_statement,
    parse_index,
    parse_part,
    read_indexes,
    restore_statement,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.server import Server

MARIADB, MYSQL = Server("mariadb", (11, 8, 9)), Server("mysql", (5, 7, 44))
MB = 1 << 20


def existing(name: str, *columns: str, **options: Any) -> Existing:
    return Existing(name, tuple(map(parse_part, columns)), **options)


def index(*columns: str, name: str | None = None, table: str = "views") -> Index:
    return parse_index({"table": table, "columns": columns, "name": name})


VIEWS = Table(
    "views",
    "InnoDB",
    rows=1_000_000,
    row_bytes=60,
    columns={
        "id": Column("id", "bigint", 8),
        "user_id": Column("user_id", "int", 4),
        "created_at": Column("created_at", "datetime", 8),
        "title": Column("title", "varchar", 2000, 500),
        "slug": Column("slug", "varchar", 4000, 1000),
        "note": Column("note", "text", 65535, 65535, in_full=False),
        "extra": Column("extra", "json", 8, indexable=False),
    },
    indexes={
        "PRIMARY": existing("PRIMARY", "id", unique=True),
        "user_time": existing("user_time", "user_id", "created_at"),
        "short": existing("short", "title(10)"),
        "hidden": existing("hidden", "title", usable=False),
    },
)
TABLES = {
    "views": VIEWS,
    "old": replace(VIEWS, name="old", engine="MyISAM"),
    "shown": replace(VIEWS, name="shown", engine=""),
}


@pytest.mark.parametrize(
    ("said", "part", "sql"),
    [
        ("user_id", Part("user_id"), "`user_id`"),
        ("title(20)", Part("title", 20), "`title`(20)"),
        ("created_at DESC", Part("created_at", None, True), "`created_at` DESC"),
        ("title (5) asc", Part("title", 5), "`title`(5)"),
        ("`odd name`", Part("odd name"), "`odd name`"),
    ],
)
def test_columns_are_read_as_sql_has_them(said: str, part: Part, sql: str) -> None:
    assert parse_part(said) == part and part.sql == sql


@pytest.mark.parametrize("said", ["", "a b", "lower(a)", "a(0)", "a(x)", "a, b", "a); DROP TABLE x"])
def test_what_is_no_column_is_refused(said: str) -> None:
    with pytest.raises(MysqlError, match="is no column of an index"):
        parse_part(said)


@pytest.mark.parametrize(
    ("wanted", "by"),
    [
        (index("user_id", "created_at"), "user_time"),
        (index("user_id"), "user_time"),
        (index("USER_ID"), "user_time"),
        (index("id"), "PRIMARY"),
        (index("user_id", "created_at", "id"), "user_time"),
        (index("title(10)", "id"), "short"),
    ],
)
def test_an_index_that_is_there_in_other_words_is_not_created(wanted: Index, by: str) -> None:
    plan = plan_indexes([wanted], TABLES, MARIADB)
    assert plan.create == [] and [found.by for found in plan.satisfied] == [by]


@pytest.mark.parametrize(
    "wanted",
    [
        index("created_at"),
        index("user_id", "id"),
        index("user_id desc"),
        index("title(11)"),
        index("title"),
        index("title(5)"),
        index("user_id", "created_at", "title"),
    ],
)
def test_an_index_that_does_something_else_is_created(wanted: Index) -> None:
    assert plan_indexes([wanted], TABLES, MARIADB).create == [wanted]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (index("user_id", "created_at"), "is on the same columns"),
        (index("user_id"), "begins with them"),
        (index("user_id", "created_at", "id"), "has the primary key at its end"),
    ],
)
def test_it_is_told_why_one_is_not_created(wanted: Index, why: str) -> None:
    assert why in plan_indexes([wanted], TABLES, MARIADB).satisfied[0].why


def test_of_two_wanted_ones_the_longer_does() -> None:
    longer, shorter = index("created_at", "user_id"), index("created_at")
    plan = plan_indexes([shorter, longer], TABLES, MARIADB)
    assert plan.create == [longer] and plan.satisfied[0].by == longer.name


def test_of_two_equal_ones_one_is_created() -> None:
    plan = plan_indexes([index("created_at", name="b"), index("created_at", name="a")], TABLES, MARIADB)
    assert [found.name for found in plan.create] == ["a"]


def test_an_index_that_becomes_needless_is_told_and_left() -> None:
    plan = plan_indexes([index("title(10)", "user_id")], TABLES, MARIADB)
    assert len(plan.notes) == 1 and plan.notes[0].startswith("short (title(10)) on views is the beginning of")


@pytest.mark.parametrize(
    ("wanted", "server", "words"),
    [
        (index("x", table="nowhere"), MARIADB, ["no table nowhere", "old, shown, views"]),
        (index("user_id", table="old"), MARIADB, ["old is MyISAM", "ENGINE=InnoDB"]),
        (index("user_id", table="shown"), MARIADB, ["shown is a view"]),
        (index("user", "user_id"), MARIADB, ["no column user;", "user_id"]),
        (index("created_at", name="user_time"), MARIADB, ["another index of that name, on (user_id, created_at)"]),
        (index("title", name="hidden"), MARIADB, ["invisible or ignored"]),
        (index("note"), MARIADB, ["note is text", "note(50)"]),
        (index("extra"), MARIADB, ["json, which cannot be indexed"]),
        (index("slug"), MARIADB, ["up to 4000 bytes", "slug(768)"]),
        (index("user_id(3)"), MARIADB, ["int and has no prefix"]),
        (index("title", "slug(300)"), MARIADB, ["2 columns of up to 3200 bytes"]),
        (index("created_at desc"), MYSQL, ["MySQL 5.7.44 ignores desc"]),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_with_the_way_out(wanted: Index, server: Server, words: list[str]) -> None:
    with pytest.raises(MysqlError) as caught:
        plan_indexes([wanted], TABLES, server, sorted(TABLES))
    assert str(caught.value).startswith("nothing was changed:")
    assert [word for word in words if word not in str(caught.value)] == []


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(MysqlError) as caught:
        plan_indexes([index("x"), index("y"), index("title", name="a"), index("slug(3)", name="a")], TABLES, MARIADB)
    assert all(word in str(caught.value) for word in ("no column x", "no column y", "a is the name of more than one"))


@pytest.mark.parametrize("columns", [(), ("a", "a"), ("a", "a desc")])
def test_an_index_needs_columns_and_each_once(columns: tuple[str, ...]) -> None:
    with pytest.raises(MysqlError):
        index(*columns)


def test_nobody_is_kept_from_writing() -> None:
    wanted = index("user_id", "title(20) desc")
    end = "ON `views` (`user_id`, `title`(20) DESC)"
    assert wanted.create(MARIADB) == f"CREATE INDEX `idx_views_user_id_title` {end} ALGORITHM=NOCOPY LOCK=NONE"
    assert wanted.create(Server("mariadb", (10, 2, 44))).endswith("ALGORITHM=INPLACE LOCK=NONE")
    assert wanted.create(MYSQL, "r1").startswith("CREATE /* webstack mysql_indexes r1 */ INDEX ")
    assert drop_statement(MYSQL, "views", "a`b") == "DROP INDEX `a``b` ON `views` ALGORITHM=INPLACE LOCK=NONE"
    assert drop_statement(MARIADB, "views", "a") == "DROP INDEX `a` ON `views`"
    assert restore_statement("views", "KEY `a` (`b`)").endswith("ADD KEY `a` (`b`), ALGORITHM=INPLACE, LOCK=NONE")


CREATE_TABLE = """\
CREATE TABLE `views` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `odd KEY` int(11) DEFAULT NULL COMMENT 'KEY `no` (`id`)',
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`odd KEY`) USING HASH,
  KEY `a``b` (`odd KEY`,`id`) COMMENT 'one, two' /* x */,
  FULLTEXT KEY `f` (`text`),
  CONSTRAINT `fk` FOREIGN KEY (`id`) REFERENCES `users` (`id`)
) ENGINE=InnoDB"""


def test_the_definitions_of_all_indexes_are_read_letter_by_letter() -> None:
    assert definitions(CREATE_TABLE) == {
        "PRIMARY": "PRIMARY KEY (`id`)",
        "u": "UNIQUE KEY `u` (`odd KEY`) USING HASH",
        "a`b": "KEY `a``b` (`odd KEY`,`id`) COMMENT 'one, two' /* x */",
        "f": "FULLTEXT KEY `f` (`text`)",
    }


def row(**values: Any) -> dict[str, Any]:
    base = {"index_name": "i", "seq_in_index": 1, "column_name": "a", "sub_part": None, "collation": "A"}
    return {**base, "non_unique": 1, "index_type": "BTREE", **values}


@pytest.mark.parametrize(
    ("change", "usable"),
    [
        ({}, True),
        ({"ignored": "NO"}, True),
        ({"ignored": "YES"}, False),
        ({"is_visible": "NO"}, False),
        ({"index_type": "FULLTEXT"}, False),
        ({"column_name": None, "expression": "lower(a)"}, False),
    ],
)
def test_an_index_that_orders_nothing_for_the_optimizer_is_known(change: dict[str, Any], usable: bool) -> None:
    assert read_indexes([row(**change)], {})["i"].usable is usable


def test_the_columns_of_an_index_come_in_their_order() -> None:
    rows = [row(seq_in_index=2, column_name="b", collation="D"), row(sub_part=10)]
    assert read_indexes(rows, {})["i"].parts == (Part("a", 10), Part("b", None, True))


def test_the_size_grows_with_rows_and_columns() -> None:
    small, large = estimated_bytes(index("user_id"), VIEWS), estimated_bytes(index("user_id", "title"), VIEWS)
    assert 20 * MB < small < 40 * MB, "12 bytes and an entry's own for a million rows"
    assert small < large < 120 * MB, "a title counts as no more than a whole row"


@pytest.mark.parametrize(
    ("estimates", "free_mb", "enough"),
    [
        ([100 * MB], 300, True),
        ([100 * MB], 299, False),
        ([100 * MB, 50 * MB], 350, True),
        ([100 * MB, 50 * MB], 349, False),
    ],
)
def test_room_is_for_all_indexes_and_for_sorting_the_largest(estimates: list[int], free_mb: int, enough: bool) -> None:
    problem = space_problem(estimates, free_mb * MB, 1000 * MB, keep_percent=10)
    assert (problem is None) is enough
    assert problem is None or "min_free_percent" in problem
