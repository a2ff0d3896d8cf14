# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge wanted indexes against the tables: what is wrong, what is there already, what is to be created."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .errors import MysqlError
from .index_types import Column, Existing, Index, Part, Table
from .server import Server

#: InnoDB's limits, in bytes, for DYNAMIC rows on 16 KB pages.
LONGEST_PART, LONGEST_INDEX, MOST_COLUMNS, MOST_INDEXES = 3072, 3072, 16, 64
#: A page of an index is about 15/16 full when it is built; header, row pointer and page overhead of an entry.
ENTRY_BYTES, FILLED = 13, 0.9375


@dataclass(frozen=True)
class Satisfied:
    """A wanted index that an existing one makes needless."""

    index: Index
    by: str
    why: str


@dataclass(frozen=True)
class Plan:
    """What to do. ``notes`` are for people; nothing is done about them."""

    create: list[Index]
    satisfied: list[Satisfied]
    notes: list[str] = field(default_factory=list)


def plan_indexes(
    wanted: Sequence[Index], tables: Mapping[str, Table], server: Server, known: Sequence[str] = ()
) -> Plan:
    """Return what to create; ``known`` are the names of all tables, for a message.

    Raises ``MysqlError`` with every problem at once.
    """
    problems = [*_doubles(wanted), *(text for index in wanted for text in _problems(index, tables, server, known))]
    if problems:
        raise MysqlError("\n".join(["nothing was changed:", *problems]))
    create: list[Index] = []
    satisfied: list[Satisfied] = []
    for index in wanted:
        found = _covering(index, tables[index.table]) or _covered_by_wanted(index, wanted)
        if found:
            satisfied.append(Satisfied(index, *found))
        else:
            create.append(index)
    return Plan(create, satisfied, [note for index in create for note in _notes(index, tables[index.table])])


def _doubles(wanted: Sequence[Index]) -> list[str]:
    names = [index.name for index in wanted]
    return [
        f"indexes: {name} is the name of more than one; give each its own, so that EXPLAIN can tell them apart"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]


def _problems(index: Index, tables: Mapping[str, Table], server: Server, known: Sequence[str]) -> list[str]:
    table = tables.get(index.table)
    if table is None:
        return [f"{index}: there is no table {index.table}; tables that are there: {_some(known)}"]
    if table.engine.lower() != "innodb":
        return [
            f"{index}: {table.name} is {table.engine or 'a view'}, and only InnoDB builds an index while others write; "
            f"ALTER TABLE {table.name} ENGINE=InnoDB first"
        ]
    missing = [part.column for part in index.parts if part.column.lower() not in _by_lower(table)]
    if missing:
        return [f"{index}: {table.name} has no column {', '.join(missing)}; it has {_some(table.columns)}"]
    there = table.indexes.get(index.name)
    if there and not _same(there.parts, index.parts):
        return [f"{index}: {table.name} has another index of that name, on ({there.columns}); choose another name"]
    if there and not there.usable:
        return [f"{index}: it is there, but invisible or ignored, or of another kind; make it visible, or drop it"]
    if not there and len(table.indexes) >= MOST_INDEXES:
        return [f"{index}: {table.name} has {len(table.indexes)} indexes, and {MOST_INDEXES} is the most"]
    return _length_problems(index, table, server)


def _length_problems(index: Index, table: Table, server: Server) -> list[str]:
    problems = []
    total = 0
    columns = _by_lower(table)
    for part in index.parts:
        column = columns[part.column.lower()]
        if not column.indexable:
            problems.append(
                f"{index}: {column.name} is {column.type}, which cannot be indexed; index a generated column"
            )
            continue
        if part.length is None and not column.in_full:
            problems.append(f"{index}: {column.name} is {column.type}; say how much of it counts: {column.name}(50)")
            continue
        if part.length is not None and column.characters is None:
            problems.append(f"{index}: {column.name} is {column.type} and has no prefix; leave ({part.length}) out")
            continue
        octets = part_bytes(part, column)
        total += octets
        if octets > LONGEST_PART:
            problems.append(
                f"{index}: {part} is up to {octets} bytes, and {LONGEST_PART} is the most; a prefix will do: "
                f"{column.name}({LONGEST_PART // max(1, octets_per_character(column))})"
            )
    if len(index.parts) > MOST_COLUMNS or total > LONGEST_INDEX:
        problems.append(
            f"{index}: {len(index.parts)} columns of up to {total} bytes; at most {MOST_COLUMNS} and {LONGEST_INDEX}"
        )
    if any(part.descending for part in index.parts) and not server.since(mariadb=(10, 8, 1), mysql=(8, 0, 1)):
        problems.append(f"{index}: {server} ignores desc; leave it out")
    return problems


def octets_per_character(column: Column) -> int:
    return max(1, column.octets // column.characters) if column.characters else 1


def part_bytes(part: Part, column: Column) -> int:
    """Return the most bytes that a column takes in an index."""
    if part.length is None or column.characters is None:
        return column.octets
    return min(part.length, column.characters) * octets_per_character(column)


def _by_lower(table: Table) -> dict[str, Column]:
    return {name.lower(): column for name, column in table.columns.items()}


def _some(names: Iterable[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "") or "none"


def _key(part: Part) -> tuple[str, int | None, bool]:
    return part.column.lower(), part.length, part.descending


def _same(one: Sequence[Part], other: Sequence[Part]) -> bool:
    return list(map(_key, one)) == list(map(_key, other))


def starts_with(longer: Sequence[Part], shorter: Sequence[Part]) -> bool:
    """Say whether an index on ``longer`` does all that one on ``shorter`` does."""
    return len(longer) >= len(shorter) and _same(longer[: len(shorter)], shorter)


def _with_primary(parts: Sequence[Part], primary: Sequence[Part]) -> tuple[Part, ...]:
    """InnoDB ends each secondary index with the columns of the primary key that it does not have yet."""
    have = {part.column.lower() for part in parts if part.length is None}
    return (*parts, *(part for part in primary if part.column.lower() not in have))


def _covering(index: Index, table: Table) -> tuple[str, str] | None:
    """Return the existing index that does what is wanted, and in which way."""
    usable = [existing for existing in table.indexes.values() if existing.usable]
    for existing in usable:
        if _same(existing.parts, index.parts):
            return existing.name, f"{existing.name} is on the same columns"
    for existing in usable:
        if starts_with(existing.parts, index.parts):
            return existing.name, f"{existing.name} ({existing.columns}) begins with them"
    for existing in usable:
        if starts_with(_with_primary(existing.parts, table.primary), index.parts):
            return (
                existing.name,
                f"{existing.name} ({existing.columns}) has the primary key at its end, as all have",
            )
    return None


def _covered_by_wanted(index: Index, wanted: Sequence[Index]) -> tuple[str, str] | None:
    for other in wanted:
        if other.table != index.table or other.name == index.name or not starts_with(other.parts, index.parts):
            continue
        if not _same(other.parts, index.parts) or other.name < index.name:
            return other.name, f"{other.name} ({other.columns}), wanted as well, begins with them"
    return None


def _notes(index: Index, table: Table) -> list[str]:
    """Say which existing indexes the new one makes needless; they are somebody else's to drop."""
    return [
        f"{existing.name} ({existing.columns}) on {table.name} is the beginning of {index.name} and needless beside "
        "it; it is not ours to drop"
        for existing in table.indexes.values()
        if existing.usable and not existing.unique and _shorter(existing, index)
    ]


def _shorter(existing: Existing, index: Index) -> bool:
    return len(existing.parts) < len(index.parts) and starts_with(index.parts, existing.parts)


def estimated_bytes(index: Index, table: Table) -> int:
    """Return about how large the index will be.

    Values of variable length count with the mean length of a row at most; each entry has the primary key
    with it, and some bytes of its own.
    """
    columns = _by_lower(table)
    have = {part.column.lower() for part in index.parts}
    parts = [*index.parts, *(part for part in table.primary if part.column.lower() not in have)]
    entry = ENTRY_BYTES + sum(
        min(part_bytes(part, columns[part.column.lower()]), max(8, table.row_bytes)) for part in parts
    )
    return int(table.rows * entry / FILLED) + 65536


def space_problem(estimates: Sequence[int], free: int, total: int, keep_percent: float) -> str | None:
    """Return why there is not enough room, or ``None``.

    Indexes are built one after another: all of them stay, and the largest needs its own size once more for
    sorting. All in bytes.
    """
    needed = sum(estimates) + max(estimates, default=0)
    kept = int(total * keep_percent / 100)
    if free - needed >= kept:
        return None
    mb = 1 << 20
    return (
        f"nothing was changed: the indexes need some {needed // mb + 1} MB with what sorting takes, {free // mb} MB "
        f"are free, and {keep_percent:g} % of the disk ({kept // mb} MB) must stay free. Make room, or lower "
        "min_free_percent"
    )
