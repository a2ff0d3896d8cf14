# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a database's indexes from what is there to what is wanted, with proof, and back again.

check → measure → create → ANALYZE → measure → judge → remove what did not help. Every step is in the journal before
the next, so that a run that was cut off anywhere is taken up where it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .connection import Login, Session, connected
from .errors import MysqlError
from .index_journal import DIRECTORY, Journal, State, baseline_of
from .index_measure import (
    IMPROVED,
    Measurement,
    NoTableError,
    Query,
    compare,
    explain_query,
    measure,
    parse_query,
    prepare,
)
from .index_plan import Plan, estimated_bytes, plan_indexes, space_problem
from .index_server import (
    NeededError,
    Patience,
    UnclearError,
    analyze,
    change,
    index_megabytes,
    make_patient,
    read_tables,
    table_names,
    wait_for_our_statement,
)
from .index_types import Index, Table, drop_statement, parse_index, restore_statement
from .server import Server


@dataclass(frozen=True)
class Wish:
    """What is asked for; times in seconds."""

    database: str
    indexes: tuple[Index, ...] = ()
    queries: tuple[Query, ...] = ()
    runs: int = 20
    query_timeout: float = 30
    measure_seconds: float = 60
    min_improvement: float = 10
    helpful_only: bool = False
    min_free_percent: float = 10
    skip_missing: bool = False
    patience: Patience = Patience()
    wait_for_earlier: float = 600

    @property
    def queries_digest(self) -> str:
        return hashlib.sha256("".join(sorted(query.digest for query in self.queries)).encode()).hexdigest()[:16]


@dataclass
class Outcome:
    """What was done and found; ``changed`` says whether anything in the database is other than before."""

    changed: bool = False
    statements: list[str] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    satisfied: list[dict[str, str]] = field(default_factory=list)
    queries: dict[str, Any] = field(default_factory=dict)
    indexes: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    skipped_tables: list[str] = field(default_factory=list)
    resumed: bool = False
    before: dict[str, dict[str, str]] = field(default_factory=dict)
    after: dict[str, dict[str, str]] = field(default_factory=dict)


def read_wish(options: Mapping[str, Any]) -> Wish:
    """Make a wish of the module's options. Raises ``MysqlError``."""
    queries = tuple(map(parse_query, options["queries"]))
    names = [query.name for query in queries]
    if len(set(names)) < len(names):
        raise MysqlError("queries: two have the same name; give each its own")
    if options["keep"] == "helpful" and not queries:
        raise MysqlError("keep=helpful needs queries: without them nothing tells which index helps")
    return Wish(
        database=options["database"],
        indexes=tuple(map(parse_index, options["indexes"])),
        queries=queries,
        runs=options["runs"],
        query_timeout=options["query_timeout"],
        measure_seconds=options["measure_seconds"],
        min_improvement=options["min_improvement"],
        helpful_only=options["keep"] == "helpful",
        min_free_percent=options["min_free_percent"],
        skip_missing=options["missing_tables"] == "skip",
        patience=Patience(options["lock_wait_timeout"], options["lock_attempts"], options["lock_pause"]),
        wait_for_earlier=options["wait_for_earlier"],
    )


class Run:
    """One call: a session, a journal, and what came of it."""

    def __init__(self, wish: Wish, login: Login, session: Session, check_mode: bool) -> None:
        self.wish = wish
        self.login = login
        self.session = session
        self.check_mode = check_mode
        self.server: Server = session.server()
        self.journal = Journal(DIRECTORY, _identity(login, session), wish.database)
        self.outcome = Outcome()

    # --- present ------------------------------------------------------------------------------------------------

    def present(self) -> Outcome:
        """Have the wanted indexes there."""
        if self.wish.skip_missing:
            self._leave_out_what_is_missing()
        if self.check_mode:
            return self._foresee()
        with self.journal.locked():
            wait_for_our_statement(self.session, self.wish.database, self.wish.wait_for_earlier, _ignore)
            self._present()
        return self.outcome

    def _leave_out_what_is_missing(self) -> None:
        """An app makes its tables in its first release, which comes after its database is prepared."""
        known = set(table_names(self.session, self.wish.database))
        queries = []
        for query in self.wish.queries:
            with contextlib.suppress(NoTableError):
                explain_query(self.session, self.server, query)
                queries.append(query)
        missing = sorted({index.table for index in self.wish.indexes} - known)
        self.outcome.skipped_tables = missing
        if missing:
            self.outcome.notes.append(f"{', '.join(missing)}: not there yet; run this again when the app has made it")
        indexes = tuple(index for index in self.wish.indexes if index.table in known)
        self.wish = dataclasses.replace(self.wish, indexes=indexes, queries=tuple(queries))

    def _foresee(self) -> Outcome:
        state = self.journal.read()
        tables, plan = self._plan(state)
        self._see_that_there_is_room(plan, tables)
        for query in self.wish.queries:
            explain_query(self.session, self.server, query)
        self.outcome.statements = [index.create(self.server) for index in plan.create]
        removing = [] if plan.create or state.run else self._unhelpful(state)
        self.outcome.statements += [drop_statement(self.server, index.table, index.name) for index in removing]
        self.outcome.created = [str(index) for index in plan.create]
        self.outcome.removed = [str(index) for index in removing]
        self.outcome.changed = bool(plan.create or removing or state.run_created)
        for index in plan.create:
            self.outcome.after[index.table][index.name] = index.definition
        for index in removing:
            self.outcome.after[index.table].pop(index.name, None)
        self._tell_last(state)
        return self.outcome

    def _present(self) -> None:
        state = self.journal.read()
        tables, plan = self._plan(state)
        self.outcome.resumed = state.run is not None
        if not plan.create and state.run is None:
            removing = self._unhelpful(state)
            if removing:
                self._remove(removing, state)
                self._measure_again(state)
            self._tell_last(self.journal.read())
            self._look_after()
            return
        self._see_that_there_is_room(plan, tables)
        before = self._measure_before(state, plan)
        run = self._begin(state, plan, tables, before)
        for index in plan.create:
            self._create(index, run)
        self._finish(before)

    def _plan(self, state: State) -> tuple[dict[str, Table], Plan]:
        names = {index.table for index in self.wish.indexes} | set(state.baseline)
        tables = read_tables(self.session, self.wish.database, names)
        known = table_names(self.session, self.wish.database)
        plan = plan_indexes(self.wish.indexes, tables, self.server, known)
        self.outcome.satisfied = [
            {"index": found.index.name, "table": found.index.table, "by": found.by, "why": found.why}
            for found in plan.satisfied
            if found.by != found.index.name
        ]
        self.outcome.notes += plan.notes
        self.outcome.before = {name: table.definitions for name, table in tables.items()}
        self.outcome.after = {name: dict(table.definitions) for name, table in tables.items()}
        create = [index for index in plan.create if not self._was_tried(state, index)]
        return tables, Plan(create, plan.satisfied, plan.notes)

    def _was_tried(self, state: State, index: Index) -> bool:
        """An index that did not help with the same queries is not built again, only to be removed again."""
        tried = self.wish.helpful_only and state.tried.get((index.table, index.columns)) == self.wish.queries_digest
        if tried:
            self.outcome.notes.append(
                f"{index} was tried for these queries, did not help and was removed; see the journal"
            )
        return tried

    def _see_that_there_is_room(self, plan: Plan, tables: Mapping[str, Table]) -> None:
        if not plan.create:
            return
        directory = str(self.session.value("SELECT @@datadir"))
        if self.login.host not in (None, "localhost", "127.0.0.1", "::1") or not os.path.isdir(directory):  # noqa: PTH112
            self.outcome.notes.append("the server's disk is on another host, so its free space was not looked at")
            return
        disk = os.statvfs(directory)
        estimates = [estimated_bytes(index, tables[index.table]) for index in plan.create]
        problem = space_problem(
            estimates, disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize, self.wish.min_free_percent
        )
        if problem:
            raise MysqlError(f"{problem} ({directory})")

    def _measure_before(self, state: State, plan: Plan) -> dict[str, Measurement]:
        """Measure, unless a run that was cut off has done so and has created something since."""
        known = {}
        if state.run_created:
            known = {key: Measurement.from_dict(value) for key, value in state.before.items()}
        missing = [query for query in self.wish.queries if query.digest not in known]
        if not missing or not (plan.create or state.run_created):
            return known
        return {**known, **self._measure(missing)}

    def _measure(self, queries: Sequence[Query]) -> dict[str, Measurement]:
        with connected(self.login, self.wish.database) as session:
            prepare(session, self.server, self.wish.query_timeout)
            return {
                query.digest: measure(session, self.server, query, self.wish.runs, self.wish.measure_seconds)
                for query in queries
            }

    def _begin(self, state: State, plan: Plan, tables: Mapping[str, Table], before: Mapping[str, Measurement]) -> str:
        run = state.run or secrets.token_hex(4)
        there = {name: table.definitions for name, table in tables.items()}
        baseline = baseline_of(there, (index.table for index in plan.create if index.table not in state.baseline))
        self.journal.write("begin", run=run, server=str(self.server), baseline=baseline)
        self.journal.write("before", queries={key: value.to_dict() for key, value in before.items()})
        return run

    def _create(self, index: Index, run: str) -> None:
        statement = index.create(self.server)
        self.journal.write("creating", table=index.table, index=index.name, columns=index.columns, statement=statement)
        try:
            seconds = change(self.session, index.create(self.server, run), index.table, self.wish.patience)
        except UnclearError:
            raise
        except MysqlError as error:
            self.journal.write("failed", table=index.table, index=index.name, why=str(error))
            raise
        self.journal.write("created", table=index.table, index=index.name, seconds=round(seconds, 3))
        self.outcome.changed = True
        self.outcome.statements.append(statement)
        self.outcome.created.append(str(index))
        self.outcome.indexes[index.name] = {"build_seconds": round(seconds, 3)}

    def _finish(self, before: Mapping[str, Measurement]) -> None:
        """Measure again, judge, remove what did not help when that is asked, and close the run."""
        state = self.journal.read()
        self.outcome.changed = self.outcome.changed or bool(state.run_created)
        for table in sorted({table for table, _name in state.run_created}):
            analyze(self.session, table, self.wish.patience)
        self._judge(before, state)
        removing = self._unhelpful(self.journal.read())
        if removing:
            self._remove(removing, state)
            self._measure_again(self.journal.read())
        self._look_after()

    def _judge(self, before: Mapping[str, Measurement], state: State) -> None:
        after = self._measure(self.wish.queries) if before else {}
        self.outcome.queries = {
            query.name: _verdict(query, before[query.digest], after[query.digest], self.wish.min_improvement)
            for query in self.wish.queries
            if query.digest in before
        }
        self.outcome.indexes = {
            index.name: {
                **self.outcome.indexes.get(index.name, {}),
                **self._usefulness(index),
                "created_by_us": (index.table, index.name) in state.ours,
            }
            for index in self._wanted_and_there(state)
        }
        self.journal.write(
            "end",
            queries_digest=self.wish.queries_digest if before else "",
            queries=self.outcome.queries,
            indexes=self.outcome.indexes,
        )

    def _wanted_and_there(self, state: State) -> list[Index]:
        there = read_tables(self.session, self.wish.database, {index.table for index in self.wish.indexes})
        return [index for index in self.wish.indexes if index.name in there[index.table].indexes]

    def _usefulness(self, index: Index) -> dict[str, Any]:
        users = [name for name, found in self.outcome.queries.items() if index.name in found["after"]["indexes"]]
        return {
            "table": index.table,
            "columns": index.columns,
            "used_by": users,
            "helped": [name for name in users if self.outcome.queries[name]["verdict"] == IMPROVED],
            "size_mb": index_megabytes(self.session, self.wish.database, index.table, index.name),
        }

    # --- what did not help --------------------------------------------------------------------------------------

    def _unhelpful(self, state: State) -> list[Index]:
        """Return those of our own indexes that were judged with these queries and helped none."""
        if not self.wish.helpful_only or not state.last or state.last.queries_digest != self.wish.queries_digest:
            return []
        judged = state.last.indexes
        return [
            index
            for index in self.wish.indexes
            if (index.table, index.name) in state.ours and index.name in judged and not judged[index.name]["helped"]
        ]

    def _remove(self, indexes: Sequence[Index], state: State) -> None:
        for index in indexes:
            self._drop(index, state)
            statement = drop_statement(self.server, index.table, index.name)
            self.journal.write(
                "removed",
                table=index.table,
                index=index.name,
                columns=index.columns,
                tried_for=self.wish.queries_digest,
                why="none of the queries that use it improved",
            )
            self.outcome.changed = True
            self.outcome.statements.append(statement)
            self.outcome.removed.append(str(index))
        for table in sorted({index.table for index in indexes}):
            analyze(self.session, table, self.wish.patience)

    def _drop(self, index: Index, state: State) -> None:
        """Drop an index; where a foreign key needs it, what served that before is created again first."""
        statement = drop_statement(self.server, index.table, index.name, state.run or "-")
        try:
            change(self.session, statement, index.table, self.wish.patience)
        except NeededError:
            table = read_tables(self.session, self.wish.database, [index.table])[index.table]
            for name, definition in state.baseline[index.table].items():
                if name not in table.indexes:
                    self._step_back(index.table, name, definition)
            change(self.session, statement, index.table, self.wish.patience)

    def _measure_again(self, state: State) -> None:
        """What stays is what is reported: the queries without the removed indexes, against the first measurement."""
        last = state.last
        if last is None:
            return
        after = self._measure(self.wish.queries)
        queries = dict(last.queries)
        for query in self.wish.queries:
            if query.name in queries:
                known = queries[query.name]
                first = Measurement.from_dict(known["before_runs"])
                queries[query.name] = _verdict(query, first, after[query.digest], self.wish.min_improvement)
        self.outcome.queries = queries
        removed = {text.split(" ", 1)[0] for text in self.outcome.removed}
        self.outcome.indexes = {name: found for name, found in last.indexes.items() if name not in removed}
        self.journal.write("end", queries_digest=last.queries_digest, queries=queries, indexes=self.outcome.indexes)

    # --- what is told -------------------------------------------------------------------------------------------

    def _tell_last(self, state: State) -> None:
        """Tell what the last run found, where this one had nothing to measure."""
        if state.last and state.last.queries_digest != self.wish.queries_digest and self.wish.queries:
            self.outcome.notes.append("the queries are others than those that were measured; nothing was measured now")
        if state.last and not self.outcome.queries:
            self.outcome.queries = state.last.queries
            self.outcome.indexes = self.outcome.indexes or state.last.indexes

    def _look_after(self) -> None:
        tables = read_tables(self.session, self.wish.database, set(self.outcome.before))
        self.outcome.after = {name: table.definitions for name, table in tables.items()}
        self.outcome.notes += [
            f"the server has dropped {name} on {table} itself: it had made it for a foreign key, which a new index "
            "serves as well; a rollback brings it back"
            for table, definitions in self.outcome.before.items()
            for name in sorted(set(definitions) - set(self.outcome.after.get(table, {})))
            if not any(text.startswith(f"{name} on {table}") for text in self.outcome.removed)
        ]

    # --- rolled back --------------------------------------------------------------------------------------------

    def roll_back(self) -> Outcome:
        """Have exactly those indexes on the tables that were there before we first touched them."""
        if self.check_mode:
            self._roll_back(self.journal.read())
            return self.outcome
        with self.journal.locked():
            wait_for_our_statement(self.session, self.wish.database, self.wish.wait_for_earlier, _ignore)
            self._roll_back(self.journal.read())
        return self.outcome

    def _roll_back(self, state: State) -> None:
        tables = read_tables(self.session, self.wish.database, set(state.baseline))
        gone = sorted(set(state.baseline) - set(tables))
        if not state.baseline:
            self.outcome.notes.append(f"nothing to take back: {self.journal.path} knows of no change")
        self.outcome.notes += [f"{name} is gone, and its indexes with it" for name in gone]
        self.outcome.before = {name: table.definitions for name, table in tables.items()}
        self.outcome.after = {name: dict(table.definitions) for name, table in tables.items()}
        steps = [
            step for name, table in tables.items() for step in self._steps_back(table, state.baseline[name], state)
        ]
        self.outcome.changed = bool(steps)
        if state.baseline and not self.check_mode:
            self.journal.write("rolling back", tables=sorted(state.baseline))
        for table_name, name, definition in steps:
            self._step_back(table_name, name, definition)
        if self.check_mode or not state.baseline:
            return
        for name in sorted({table_name for table_name, _name, _definition in steps}):
            analyze(self.session, name, self.wish.patience)
        self.journal.write("rolled back", tables=sorted(state.baseline))
        self._look_after()

    def _steps_back(self, table: Table, baseline: Mapping[str, str], state: State) -> list[tuple[str, str, str | None]]:
        """Return what to add again, and then what to drop: a foreign key may need the one before the other goes."""
        missing = [(table.name, name, text) for name, text in baseline.items() if name not in table.indexes]
        extra = [name for name in table.indexes if name not in baseline]
        ours = [name for name in extra if (table.name, name) in state.ours]
        others = [name for name in extra if name not in ours]
        self.outcome.notes += [
            f"{name} on {table.name} was made by somebody else since; it is left as it is" for name in others
        ]
        return [*missing, *((table.name, name, None) for name in ours)]

    def _step_back(self, table: str, name: str, definition: str | None) -> None:
        if definition is None:
            statement, told = (
                drop_statement(self.server, table, name, "rollback"),
                drop_statement(self.server, table, name),
            )
            self.outcome.removed.append(f"{name} on {table}")
            self.outcome.after[table].pop(name, None)
        else:
            statement, told = (restore_statement(table, definition, run) for run in ("rollback", ""))
            self.outcome.restored.append(f"{name} on {table}")
            self.outcome.after[table][name] = definition
        self.outcome.statements.append(told)
        if not self.check_mode:
            change(self.session, statement, table, self.wish.patience)
            self.journal.write("restored", table=table, index=name, statement=told)


def _verdict(query: Query, before: Measurement, after: Measurement, min_improvement: float) -> dict[str, Any]:
    return {
        "verdict": compare(before, after, min_improvement),
        "factor": round(before.median / max(after.median, 0.001), 2),
        "before": before.report(),
        "after": after.report(),
        "before_runs": before.to_dict(),
        "max_ms": query.max_ms,
        "met": None if query.max_ms is None else after.median <= query.max_ms and not after.timed_out,
    }


def _identity(login: Login, session: Session) -> str:
    """Return what tells this server from others that this host may reach; a host may get another name."""
    return f"{login.host or 'localhost'}_{session.value('SELECT @@port')}"


def _ignore(_what: str) -> None:
    """Waiting is not told while it lasts."""


def run(options: Mapping[str, Any], login: Login, check_mode: bool) -> Outcome:
    """Do what the options of the module ask for. Raises ``MysqlError``."""
    wish = read_wish(options)
    with connected(login, wish.database) as session:
        this = Run(wish, login, session, check_mode)
        make_patient(session, this.server)
        return this.roll_back() if options["state"] == "rolled_back" else this.present()
