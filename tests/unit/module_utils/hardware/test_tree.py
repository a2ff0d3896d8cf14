# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.tree import HardwareError, Tree
from unit.module_utils.hardware.machine_trees import write


def test_files_that_are_none_read_as_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "chain").symlink_to("chain/chain")
    tree = Tree(tmp_path)
    for name in ("fifo", "directory", "loop", "chain", "absent", "absent/below", "nul\0", "x" * 5000):
        assert tree.read(name) is None, name
        assert tree.names(name) == [], name
    assert not tree.exists("loop")


def test_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    write(tmp_path, "large", "x" * 200_000)
    data = Tree(tmp_path).read("large", limit=100_000)
    assert data is not None
    assert len(data) == 100_000


def test_a_tree_cannot_be_left(tmp_path: Path) -> None:
    write(tmp_path, "outside/secret", "secret")
    root = tmp_path / "root"
    (root / "proc").mkdir(parents=True)
    (root / "proc/up").symlink_to("../../outside/secret")
    (root / "proc/absolute").symlink_to(str(tmp_path / "outside/secret"))
    (root / "outside").symlink_to("../outside")
    tree = Tree(root)
    for path in ("proc/up", "proc/absolute", "outside/secret", "../outside/secret"):
        assert tree.read(path) is None, path


@pytest.mark.parametrize(
    ("text", "value"),
    [("12\n", 12), ("-1\n", -1), (" 7 ", 7), ("", None), ("1 2", None), ("0x1", None), ("٣", None), ("9" * 30, None)],
)
def test_integers(tmp_path: Path, text: str, value: int | None) -> None:
    write(tmp_path, "file", text)
    assert Tree(tmp_path).integer("file") == value


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    write(tmp_path, "file", "")
    for root in (tmp_path / "file", tmp_path / "absent", "nul\0"):
        with pytest.raises(HardwareError):
            Tree(root)
