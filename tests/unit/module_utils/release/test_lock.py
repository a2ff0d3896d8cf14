# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.rightsize.webstack.plugins.module_utils.release.lock import hold, holder


def _hold(path: Path, held: Event) -> None:
    with hold(path, "building a release", "ana@desk", 0):
        held.set()
        signal.pause()


@pytest.fixture
def other(tmp_path: Path) -> tuple[Path, multiprocessing.process.BaseProcess]:
    """Another process that holds the lock."""
    path = tmp_path / "lock" / "webstack-shop.lock"
    context = multiprocessing.get_context("fork")
    held = context.Event()
    process = context.Process(target=_hold, args=(path, held), daemon=True)
    process.start()
    assert held.wait(5)
    return path, process


def test_whoever_is_kept_out_learns_by_whom(other: tuple[Path, multiprocessing.process.BaseProcess]) -> None:
    path, process = other
    kept_out = pytest.raises(ReleaseError, match=f"building a release by ana@desk since .*process {process.pid}")
    with kept_out, hold(path, "rollback", "bo@desk", 0):
        pass
    found = holder(path)
    assert found and found["by"] == "ana@desk"


def test_the_lock_dies_with_its_holder(other: tuple[Path, multiprocessing.process.BaseProcess]) -> None:
    path, process = other
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join(5)
    assert holder(path) is None
    with hold(path, "rollback", "bo@desk", 0):
        pass


def test_a_free_lock_has_no_holder(tmp_path: Path) -> None:
    path = tmp_path / "webstack-shop.lock"
    assert holder(path) is None
    with hold(path, "rollback", "bo@desk", 0):
        pass
    assert holder(path) is None
