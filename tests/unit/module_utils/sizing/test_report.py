# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table for the terminal."""

from __future__ import annotations

from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.report import WIDTH, table
from unit.module_utils.sizing.machines import ORANGE_PI, machine, planned


def _lines(**options: object) -> list[str]:
    sizing = planned(ORANGE_PI, {"name": "agente", "workload": "llm"}).to_dict()
    return table(sizing, ORANGE_PI.to_dict())


def test_every_number_stands_in_the_table_with_its_reason() -> None:
    plan = planned(ORANGE_PI, {"name": "agente", "workload": "llm"})
    lines = table(plan.to_dict(), ORANGE_PI.to_dict())
    for path in plan.reasons:
        assert any(line.startswith(f"  {path.rpartition('.')[2]}  ") for line in lines), path
    assert "8 usable CPUs, 6.00 cores' worth (made up), 15936 MB usable" in lines[0]
    assert any("  workers " in line and " 6  6.00 cores' worth × 0.95 (nginx 5% kept)" in line for line in lines)


def test_lines_fit_a_terminal_and_end_without_spaces() -> None:
    lines = _lines()
    assert max(len(line) for line in lines) <= WIDTH
    assert all(line == line.rstrip() for line in lines)


def test_reasons_of_a_section_begin_in_one_column() -> None:
    lines = _lines()
    starts = ("6.00 cores' worth ×", "what fastapi", "an event loop needs one", "gunicorn's default, below")
    assert len({line.index(text) for line in lines for text in starts if text in line}) == 1


def test_warnings_come_last() -> None:
    small = machine(487, 1.0)
    lines = table(planned(small, {"name": "a"}).to_dict(), small.to_dict())
    assert lines[lines.index("warnings") + 1].startswith("  ! no swap")
    assert "warnings" not in table(planned(ORANGE_PI, {"name": "a"}).to_dict())


def test_the_memory_budget_comes_first() -> None:
    assert _lines()[1:3] == ["", "memory, MB"]
