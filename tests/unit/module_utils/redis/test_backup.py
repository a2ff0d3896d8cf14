# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups there are, and which of them is meant."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.redis import backup
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.errors import RedisError


def made(folder: Path, day: int, content: bytes = b"REDIS") -> Path:
    path = folder / f"redis-202611{day:02}T031500Z.rdb"
    path.write_bytes(content)
    path.with_name(f"{path.name}.sha256").write_text(f"{sha256(content).hexdigest()}  {path.name}\n")
    return path


def test_whole_backups_are_listed_newest_first(tmp_path: Path) -> None:
    paths = [made(tmp_path, day) for day in (3, 1, 2)]
    (tmp_path / "redis-20261104T031500Z.rdb").write_bytes(b"without a checksum")
    (tmp_path / ".redis-20261105T031500Z.rdb.part").write_bytes(b"half")
    (tmp_path / "mine.rdb").write_bytes(b"something else")
    assert [item.path for item in backup.listed(tmp_path)] == [paths[0], paths[2], paths[1]]


def test_one_is_found_by_name_or_as_the_latest(tmp_path: Path) -> None:
    old, new = made(tmp_path, 1), made(tmp_path, 2)
    assert backup.find(tmp_path, "latest").path == new
    assert backup.find(tmp_path, old.name).path == old
    assert backup.find(tmp_path, f"/elsewhere/{old.name}").path == old


def test_an_unknown_name_is_answered_with_those_that_are_there(tmp_path: Path) -> None:
    made(tmp_path, 1)
    with pytest.raises(RedisError, match=r"no backup nope in .*redis-20261101T031500Z\.rdb"):
        backup.find(tmp_path, "nope")


def test_where_there_is_none_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(RedisError, match="there are: none"):
        backup.find(tmp_path / "missing", "latest")
