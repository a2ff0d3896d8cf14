# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal knows what was there before and what was ours, whatever cut a run off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.errors import MysqlError
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.index_journal import Journal, fold

BEFORE = {"views": {"PRIMARY": "PRIMARY KEY (`id`)"}}
KEY = ("views", "i")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journals", "localhost_3306", "a/b")


def begin(journal: Journal, baseline: Any = None) -> None:
    journal.write("begin", run="r", server="MariaDB", baseline=BEFORE if baseline is None else baseline)
    journal.write("before", queries={"q": {"times": [1]}})
    journal.write("creating", table="views", index="i", columns="a", statement="CREATE")


def end(journal: Journal) -> None:
    journal.write("end", queries_digest="d", queries={}, indexes={"i": {"helped": []}})


def test_nothing_is_known_at_first(journal: Journal) -> None:
    assert journal.read() == fold([])


def test_an_index_is_ours_before_it_is_built(journal: Journal) -> None:
    begin(journal)
    state = journal.read()
    assert (state.run, state.run_created, state.ours) == ("r", [KEY], {KEY: "a"})
    assert state.baseline == BEFORE and state.before == {"q": {"times": [1]}}


def test_one_that_was_refused_is_not_ours(journal: Journal) -> None:
    begin(journal)
    journal.write("failed", table="views", index="i", why="lock")
    assert journal.read().ours == {} and journal.read().run_created == []


def test_a_finished_run_leaves_its_verdict(journal: Journal) -> None:
    begin(journal)
    journal.write("created", table="views", index="i", seconds=1)
    end(journal)
    state = journal.read()
    assert state.run is None and state.before == {} and state.run_created == []
    assert state.last is not None and state.last.queries_digest == "d" and state.ours == {KEY: "a"}


def test_the_first_baseline_of_a_table_stays(journal: Journal) -> None:
    begin(journal)
    end(journal)
    begin(journal, {"views": {"PRIMARY": "", "i": "KEY"}, "users": {}})
    assert journal.read().baseline == {**BEFORE, "users": {}}


def test_what_did_not_help_is_remembered_for_its_queries(journal: Journal) -> None:
    begin(journal)
    end(journal)
    journal.write("removed", table="views", index="i", columns="a", tried_for="d", why="")
    assert journal.read().tried == {("views", "a"): "d"} and journal.read().ours == {}


def test_after_a_rollback_nothing_is_ours(journal: Journal) -> None:
    begin(journal)
    end(journal)
    journal.write("rolling back", tables=["views"])
    assert journal.read().baseline == BEFORE, "a rollback that is cut off is taken up again"
    journal.write("restored", table="views", index="i", statement="DROP")
    journal.write("rolled back", tables=["views"])
    assert journal.read() == fold([])


def test_half_a_line_counts_as_never_written(journal: Journal) -> None:
    begin(journal)
    whole = journal.read()
    with journal.path.open("a") as handle:
        handle.write('{"event": "rolled ba')
    assert journal.read() == whole
    end(journal)
    assert journal.read().run is None
    assert len(journal.path.read_text().splitlines()) == 4


def test_a_damaged_line_in_the_middle_is_an_error(journal: Journal) -> None:
    begin(journal)
    journal.path.write_text("{\n" + journal.path.read_text())
    with pytest.raises(MysqlError, match="line 1 is no JSON"):
        journal.read()


def test_only_root_reads_it(journal: Journal) -> None:
    begin(journal)
    assert journal.path.stat().st_mode & 0o777 == 0o600 and journal.path.parent.stat().st_mode & 0o777 == 0o700
    assert journal.path.parent.name == "journals", "a database's name is no path"


def test_two_runs_are_kept_apart(journal: Journal) -> None:
    with journal.locked(), pytest.raises(MysqlError, match="another run is at work"), journal.locked():
        pass
