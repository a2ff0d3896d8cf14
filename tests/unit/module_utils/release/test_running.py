# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.release.layout import Layout
from ansible_collections.rightsize.webstack.plugins.module_utils.release.report import serving_problem
from ansible_collections.rightsize.webstack.plugins.module_utils.release.running import (
    children,
    count_workers,
    memory_max_mb,
)

# A main process with two children, one of which is dead and not reaped; the child of a child is no child.
FAMILY = """
import os, signal, sys
living, dead = os.fork(), 1
if living == 0:
    os.fork()
    signal.pause()
dead = os.fork()
if dead == 0:
    os._exit(0)
os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
print(living, flush=True)
sys.stdin.read()
os.killpg(0, signal.SIGKILL)
"""


def test_the_living_children_of_a_real_process_are_counted() -> None:
    family = subprocess.Popen(
        [sys.executable, "-c", FAMILY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert family.stdin and family.stdout
    living = int(family.stdout.readline())
    try:
        assert children(family.pid) == [living]
        assert count_workers(family.pid) == 1
        assert count_workers(family.pid, wanted=2, patience=0) == 1
    finally:
        family.communicate()


def test_a_program_may_call_itself_anything(tmp_path: Path) -> None:
    for pid, stat in {"10": "10 (a) Z 7 (b) S 4 1 1", "11": "11 (c) S 5 1 1", "12": "12 (torn", "self": ""}.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "stat").write_text(stat)
    assert children(4, tmp_path) == [10]
    assert children(7, tmp_path) == []


@pytest.mark.parametrize(
    ("file", "content", "limit"),
    [
        ("shop.slice/memory.max", "1266679808\n", 1208),
        ("shop.slice/memory.max", "max\n", None),
        ("memory/shop.slice/memory.limit_in_bytes", "1266679808\n", 1208),
        ("memory/shop.slice/memory.limit_in_bytes", "9223372036854771712\n", None),
        ("shop.slice/cgroup.procs", "", None),
    ],
)
def test_a_memory_limit_is_the_kernels_in_both_hierarchies(
    tmp_path: Path, file: str, content: str, limit: int | None
) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(content)
    assert memory_max_mb("/shop.slice", tmp_path) == limit


@pytest.mark.parametrize(
    ("current", "live", "running", "words"),
    [
        (None, None, False, "no release"),
        ("r1", None, False, "leads nowhere"),
        ("r2", "r1", True, "r1 serves, but r2 is the current"),
        ("r1", "r1", False, "shop@r1.service does not run"),
    ],
)
def test_what_is_wrong_with_what_serves_is_said(
    current: str | None, live: str | None, running: bool, words: str
) -> None:
    problem = serving_problem(Layout("shop"), current, live, running)
    assert problem and words in problem


def test_a_current_release_that_runs_is_no_problem() -> None:
    assert serving_problem(Layout("shop"), "r1", "r1", True) is None
