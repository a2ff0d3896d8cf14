# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump becomes the data of a server that appends to a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.redis import data


@pytest.fixture(autouse=True)
def _no_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.chown", lambda *_unused: None)


def test_a_dump_becomes_the_first_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(b"REDIS")
    assert data.adopt_dump(tmp_path, "root")
    folder = tmp_path / "appendonlydir"
    assert (folder / "appendonly.aof.1.base.rdb").read_bytes() == b"REDIS"
    assert (folder / "appendonly.aof.manifest").read_text() == "file appendonly.aof.1.base.rdb seq 1 type b\n"
    assert sorted(path.name for path in folder.iterdir()) == ["appendonly.aof.1.base.rdb", "appendonly.aof.manifest"]


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(b"REDIS")
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("newer")
    assert not data.adopt_dump(tmp_path, "root")
    assert (tmp_path / "appendonlydir" / "appendonly.aof.manifest").read_text() == "newer"


def test_without_a_dump_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert not data.adopt_dump(tmp_path, "root")
    assert list(tmp_path.iterdir()) == []
