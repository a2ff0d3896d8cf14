# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes are built beside what serves, and only when they differ."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.errors import PostgresError
from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.indexes import (
    Index,
    index_statements,
    read_index,
)

ENTRY: dict[str, Any] = {"table": "items", "column": "embedding", "m": 16}


def index(**changes: Any) -> Index:
    return read_index({**ENTRY, **changes}, "x")


def there(one: Index, **changes: Any) -> dict[str, Any]:
    """What the server tells of an index that is as declared."""
    options = [f"{key}={value}" for key, value in one.options.items()]
    own = {"table": one.table, "method": one.method, "operator_class": one.operator_class, "options": options}
    return {**own, "valid": True, "mark": one.mark, **changes}


def test_a_missing_index_is_built_under_another_name_first() -> None:
    (todo,) = index_statements([index()], {})
    assert todo["name"] == "items_embedding_hnsw"
    create, comment, rename = todo["statements"]
    assert create == (
        'CREATE INDEX CONCURRENTLY "items_embedding_hnsw_building" ON "items" USING hnsw '
        "(embedding vector_cosine_ops) WITH (m = 16)"
    )
    assert comment.startswith('COMMENT ON INDEX "items_embedding_hnsw_building"')
    assert rename == 'ALTER INDEX "items_embedding_hnsw_building" RENAME TO "items_embedding_hnsw"'


def test_an_index_as_declared_is_left_alone() -> None:
    assert index_statements([index()], {"items_embedding_hnsw": there(index())}) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"options": ["m=24"]},
        {"options": None},
        {"method": "ivfflat"},
        {"operator_class": "vector_l2_ops"},
        {"valid": False},
        {"mark": None},
        {"table": "others"},
    ],
)
def test_an_index_that_differs_is_replaced_when_the_new_one_is_there(changes: dict[str, Any]) -> None:
    (todo,) = index_statements([index()], {"items_embedding_hnsw": there(index(), **changes)})
    kinds = [statement.split()[0] for statement in todo["statements"]]
    assert kinds == ["CREATE", "COMMENT", "DROP", "ALTER"]


def test_what_a_run_left_that_was_cut_short_is_built_anew() -> None:
    found = {"items_embedding_hnsw_building": there(index(), valid=False, mark=None)}
    (todo,) = index_statements([index()], found)
    assert [statement.split()[0] for statement in todo["statements"]] == ["DROP", "CREATE", "COMMENT", "ALTER"]


def test_a_whole_one_that_lacks_only_its_name_is_not_built_twice() -> None:
    (todo,) = index_statements([index()], {"items_embedding_hnsw_building": there(index())})
    assert [statement.split()[0] for statement in todo["statements"]] == ["ALTER"]


def test_a_changed_condition_is_seen_by_the_mark() -> None:
    assert len({index().mark, index(where="id > 3").mark, index(column="(embedding::halfvec(3))").mark}) == 3


def test_a_condition_is_part_of_the_statement() -> None:
    (todo,) = index_statements([index(method="ivfflat", m=None, lists=10, where="id > 3", name="mine")], {})
    assert todo["statements"][0] == (
        'CREATE INDEX CONCURRENTLY "mine_building" ON "items" USING ivfflat (embedding vector_cosine_ops) '
        "WITH (lists = 10) WHERE id > 3"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "btree"}, ("x.method", "'btree'", "hnsw, ivfflat")),
        ({"operator_class": "int4_ops"}, ("x.operator_class", "'int4_ops'")),
        ({"lists": 10}, ("x.lists", "hnsw", "ef_construction")),
        ({"m": 1}, ("x.m", "1", "from 2 to 100")),
        ({"table": "a b"}, ("x.table", "'a b'")),
        ({"column": "e; DROP"}, ("x.column",)),
        ({"name": "n" * 60}, ("x.name", "54")),
        ({"ef": 1}, ("x.ef", "not known")),
    ],
)
def test_bad_input_is_refused_by_name_value_and_remedy(changes: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(PostgresError) as refusal:
        index(**changes)
    assert [word for word in words if word not in str(refusal.value)] == []
