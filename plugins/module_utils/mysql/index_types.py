# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes and tables as data: what is wanted, what is there, and the SQL in between."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .connection import quoted
from .errors import MysqlError
from .server import Server

_PART = re.compile(r"(?P<column>`[^`]+`|[^\s()`]+)\s*(?:\(\s*(?P<length>\d+)\s*\))?(?:\s+(?P<order>asc|desc))?", re.I)
#: Marks our statements, so that a later run recognises one that still goes on.
MARK = "webstack mysql_indexes"


@dataclass(frozen=True)
class Part:
    """One column of an index; ``length`` is how many characters of it count, ``None`` for all."""

    column: str
    length: int | None = None
    descending: bool = False

    @property
    def sql(self) -> str:
        return (
            quoted(self.column)
            + (f"({self.length})" if self.length is not None else "")
            + (" DESC" if self.descending else "")
        )

    def __str__(self) -> str:
        return self.sql.replace("`", "")


def parse_part(text: str) -> Part:
    """Read ``user_id``, ``title(20)`` or ``created_at desc``. Raises ``MysqlError``."""
    found = _PART.fullmatch(text.strip())
    if not found or found["length"] == "0":
        raise MysqlError(f"{text!r} is no column of an index; write a name, name(LENGTH) or name desc")
    return Part(
        found["column"].strip("`"),
        int(found["length"]) if found["length"] else None,
        (found["order"] or "").lower() == "desc",
    )


@dataclass(frozen=True)
class Index:
    """A wanted index."""

    table: str
    name: str
    parts: tuple[Part, ...]

    @property
    def columns(self) -> str:
        return ", ".join(map(str, self.parts))

    def __str__(self) -> str:
        return f"{self.name} on {self.table} ({self.columns})"

    @property
    def definition(self) -> str:
        """Return what ``SHOW CREATE TABLE`` will say of it."""
        return f"KEY {quoted(self.name)} ({','.join(part.sql for part in self.parts)})"

    def create(self, server: Server, run: str = "") -> str:
        """Return the statement that creates it without keeping anybody from writing."""
        # NOCOPY says more than INPLACE: not even the clustered index is rebuilt.
        algorithm = "NOCOPY" if server.since(mariadb=(10, 3, 7)) else "INPLACE"
        columns = ", ".join(part.sql for part in self.parts)
        mark = f" /* {MARK} {run} */" if run else ""
        return (
            f"CREATE{mark} INDEX {quoted(self.name)} ON {quoted(self.table)} ({columns}) "
            f"ALGORITHM={algorithm} LOCK=NONE"
        )


def drop_statement(server: Server, table: str, name: str, run: str = "") -> str:
    """Return the statement that drops an index without keeping anybody from writing.

    MariaDB's DROP INDEX cannot be told how, and does it in place.
    """
    mark = f" /* {MARK} {run} */" if run else ""
    how = "" if server.is_mariadb else " ALGORITHM=INPLACE LOCK=NONE"
    return f"DROP{mark} INDEX {quoted(name)} ON {quoted(table)}{how}"


def restore_statement(table: str, definition: str, run: str = "") -> str:
    """Return the statement that adds an index again, as ``SHOW CREATE TABLE`` had it."""
    mark = f" /* {MARK} {run} */" if run else ""
    return f"ALTER{mark} TABLE {quoted(table)} ADD {definition}, ALGORITHM=INPLACE, LOCK=NONE"


def parse_index(given: Mapping[str, Any]) -> Index:
    """Read one entry of the option ``indexes``. Raises ``MysqlError``."""
    table = str(given["table"])
    parts = tuple(parse_part(str(text)) for text in given["columns"])
    if not parts:
        raise MysqlError(f"indexes: an index on {table} has no columns")
    doubles = {part.column for part in parts if [other.column for other in parts].count(part.column) > 1}
    if doubles:
        raise MysqlError(f"indexes: {', '.join(sorted(doubles))} is twice in the index on {table}")
    name = given.get("name") or default_name(table, parts)
    if len(name) > 64:
        raise MysqlError(f"indexes: the name {name!r} is longer than 64 characters")
    return Index(table, name, parts)


def default_name(table: str, parts: Sequence[Part]) -> str:
    """Return ``idx_TABLE_COLUMNS``, cut at 64 characters, the longest that a server takes."""
    return "_".join(["idx", table, *(part.column for part in parts)])[:64]


@dataclass(frozen=True)
class Existing:
    """An index that is there. ``definition`` is its line in ``SHOW CREATE TABLE``.

    ``usable`` is false for one that the optimizer leaves out (invisible, ignored), that orders nothing
    (full text, spatial) or that is made of expressions.
    """

    name: str
    parts: tuple[Part, ...]
    unique: bool = False
    usable: bool = True
    definition: str = ""

    @property
    def columns(self) -> str:
        return ", ".join(map(str, self.parts))


@dataclass(frozen=True)
class Column:
    """``octets`` is the most bytes that one value takes; ``in_full`` is false for types that need a prefix length."""

    name: str
    type: str
    octets: int
    characters: int | None = None
    in_full: bool = True
    indexable: bool = True


@dataclass(frozen=True)
class Table:
    """A table as it is."""

    name: str
    engine: str
    rows: int
    row_bytes: int
    columns: Mapping[str, Column]
    indexes: Mapping[str, Existing] = field(default_factory=dict)

    @property
    def primary(self) -> tuple[Part, ...]:
        return self.indexes["PRIMARY"].parts if "PRIMARY" in self.indexes else ()

    @property
    def definitions(self) -> dict[str, str]:
        return {name: index.definition for name, index in self.indexes.items()}


_DEFINITION = re.compile(r"\s*(?P<text>(?:(?:UNIQUE|FULLTEXT|SPATIAL) )?KEY `(?P<name>(?:[^`]|``)+)` .*?),?")
_PRIMARY = re.compile(r"\s*(?P<text>PRIMARY KEY .*?),?")


def definitions(create_table: str) -> dict[str, str]:
    """Return the definitions of all indexes, by name, out of what ``SHOW CREATE TABLE`` says."""
    found = {}
    for line in create_table.splitlines():
        primary, other = _PRIMARY.fullmatch(line), _DEFINITION.fullmatch(line)
        if primary:
            found["PRIMARY"] = primary["text"]
        elif other:
            found[other["name"].replace("``", "`")] = other["text"]
    return found


def read_indexes(rows: Sequence[Mapping[str, Any]], texts: Mapping[str, str]) -> dict[str, Existing]:
    """Make indexes of one table's rows in ``information_schema.statistics``, ordered by sequence."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: int(row["seq_in_index"])):
        grouped.setdefault(str(row["index_name"]), []).append(row)
    return {name: _existing(name, columns, texts.get(name, "")) for name, columns in grouped.items()}


def _existing(name: str, rows: Sequence[Mapping[str, Any]], definition: str) -> Existing:
    seen = all(
        row["index_type"] == "BTREE"
        and row["column_name"] is not None
        and row.get("is_visible", "YES") == "YES"
        and row.get("ignored", "NO") == "NO"
        for row in rows
    )
    parts = tuple(
        Part(
            str(row["column_name"]), None if row["sub_part"] is None else int(row["sub_part"]), row["collation"] == "D"
        )
        for row in rows
    )
    return Existing(name, parts, not int(rows[0]["non_unique"]), seen, definition)
