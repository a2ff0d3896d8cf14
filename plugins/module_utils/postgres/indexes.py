# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pgvector's indexes: what is declared, what is there, and the statements from one to the other.

An index whose parameters have changed is built anew beside the old one, which serves until the new one is valid.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import PostgresError

METHODS = {"hnsw": ("m", "ef_construction"), "ivfflat": ("lists",)}
BOUNDS = {"m": (2, 100), "ef_construction": (4, 1000), "lists": (1, 32768)}
KEYS = ("table", "column", "method", "operator_class", "name", "where", "m", "ef_construction", "lists")
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
OPERATOR_CLASS = re.compile(r"(vector|halfvec|bit|sparsevec)_(l2|ip|cosine|l1|hamming|jaccard)_ops")
#: An index under construction; what a run that was cut short leaves has this suffix and is built anew.
BUILDING = "_building"


@dataclass(frozen=True)
class Index:
    """An index of one table. ``options`` are its storage parameters."""

    name: str
    table: str
    column: str
    method: str
    operator_class: str
    where: str
    options: Mapping[str, int]

    @property
    def mark(self) -> str:
        """What is noted on the index, to see that its expression or condition has changed."""
        text = "\0".join([self.table, self.column, self.where])
        return "rightsize.webstack " + hashlib.sha256(text.encode()).hexdigest()[:16]

    def create(self, name: str) -> str:
        """Return the statement that builds it under ``name`` while others write."""
        options = ", ".join(f"{key} = {value}" for key, value in sorted(self.options.items()))
        return (
            f'CREATE INDEX CONCURRENTLY "{name}" ON "{self.table}" USING {self.method} '
            f"({self.column} {self.operator_class})"
            + (f" WITH ({options})" if options else "")
            + (f" WHERE {self.where}" if self.where else "")
        )


def read_index(entry: Any, where: str) -> Index:
    """Return the index that a dictionary declares; raise ``PostgresError`` naming the place below ``where``."""
    if not isinstance(entry, Mapping):
        raise PostgresError(f"{where}: not a dictionary but a {type(entry).__name__}; it has {', '.join(KEYS)}")
    for key in entry:
        if key not in KEYS:
            raise PostgresError(f"{where}.{key}: not known; {', '.join(KEYS)} are")
    method = str(entry.get("method") or "hnsw")
    if method not in METHODS:
        raise PostgresError(f"{where}.method: {method!r} is not one of {', '.join(sorted(METHODS))}")
    operators = str(entry.get("operator_class") or "vector_cosine_ops")
    if not OPERATOR_CLASS.fullmatch(operators):
        raise PostgresError(f"{where}.operator_class: {operators!r} is none of pgvector's; vector_cosine_ops is one")
    table, column = str(entry.get("table") or ""), str(entry.get("column") or "")
    if not NAME.fullmatch(table):
        raise PostgresError(f"{where}.table: {table!r} is not a table's name; it is looked for in the schema public")
    if not column or ";" in column or "\n" in column:
        raise PostgresError(f"{where}.column: {column!r} is neither a column nor an expression in parentheses")
    label = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
    name = str(entry.get("name") or f"{table}_{label}_{method}"[: 63 - len(BUILDING)])
    if not NAME.fullmatch(name) or len(name) > 63 - len(BUILDING):
        raise PostgresError(f"{where}.name: {name!r} cannot name an index; {63 - len(BUILDING)} letters at most")
    return Index(name, table, column, method, operators, str(entry.get("where") or ""), _options(entry, method, where))


def _options(entry: Mapping[str, Any], method: str, where: str) -> dict[str, int]:
    options = {}
    for key, (least, most) in BOUNDS.items():
        if entry.get(key) is None:
            continue
        if key not in METHODS[method]:
            raise PostgresError(f"{where}.{key}: {method} has no such parameter; it has {', '.join(METHODS[method])}")
        if not str(entry[key]).isdigit() or not least <= int(entry[key]) <= most:
            raise PostgresError(f"{where}.{key}: {entry[key]!r} is not a whole number from {least} to {most}")
        options[key] = int(entry[key])
    return options


def index_statements(indexes: Sequence[Index], found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what is to be built: for each index ``name`` and its ``statements``, in order.

    ``found`` gives by name the indexes of the server: ``table``, ``method``, ``operator_class``, ``options`` (as
    ``name=value``), ``valid`` and ``mark``. Each statement has to be run on its own, outside a transaction.
    """
    return [
        {"name": index.name, "statements": _statements(index, found)}
        for index in indexes
        if _differs(index, found.get(index.name))
    ]


def _differs(index: Index, there: Mapping[str, Any] | None) -> bool:
    if there is None or not there["valid"]:
        return True
    options = dict(option.split("=", 1) for option in there.get("options") or [])
    live = (there["table"], there["method"], there["operator_class"], options, there.get("mark"))
    wanted = {key: str(value) for key, value in index.options.items()}
    return live != (index.table, index.method, index.operator_class, wanted, index.mark)


def _statements(index: Index, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    building, statements = index.name + BUILDING, []
    # A run that was cut short may have left the new one whole: then only its name is missing.
    if _differs(index, found.get(building)):
        if building in found:
            statements.append(f'DROP INDEX CONCURRENTLY IF EXISTS "{building}"')
        statements += [index.create(building), f"COMMENT ON INDEX \"{building}\" IS '{index.mark}'"]
    if index.name in found:
        statements.append(f'DROP INDEX CONCURRENTLY IF EXISTS "{index.name}"')
    return [*statements, f'ALTER INDEX "{building}" RENAME TO "{index.name}"']
