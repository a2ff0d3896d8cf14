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


# A restore that is cut off


class CutOffError(Exception):
    """As if the process had been killed here."""


def files(folder: Path) -> dict[str, str]:
    kept = {data.FRESH, data.ASIDE}
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in kept
    }


def server(folder: Path, old: str) -> Path:
    """A server's data, and a backup; ``old`` says what of it the server has now."""
    place = folder / "data"
    place.mkdir(parents=True)
    if "dump" in old:
        (place / "dump.rdb").write_text("old")
    if "file" in old:
        (place / "appendonlydir").mkdir()
        (place / "appendonlydir" / "appendonly.aof.manifest").write_text("old")
    (folder / "backup.rdb").write_text("restored")
    return place


@pytest.mark.parametrize("appends", [True, False])
@pytest.mark.parametrize("old", ["dump and file", "dump", "file", "nothing"])
def test_a_restore_that_is_cut_off_anywhere_is_taken_back(
    old: str, appends: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, ended = Path.replace, False
    for moves in range(9):
        place = server(tmp_path / str(moves), old)
        before, left = files(place), moves

        def cut(self: Path, target: Path) -> Path:
            nonlocal left
            if not left:
                raise CutOffError
            left -= 1
            return replace(self, target)

        data.make_fresh(place.parent / "backup.rdb", place, appends, "root")
        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", cut)
            try:
                data.change_places(place)
                ended = True
            except CutOffError:
                pass
        data.mend(place)
        assert files(place) == before, f"cut off after {moves} moves"
        assert not (place / data.FRESH).exists()
    assert ended


def test_a_restore_that_was_settled_is_not_taken_back(tmp_path: Path) -> None:
    place = server(tmp_path, "dump and file")
    data.make_fresh(tmp_path / "backup.rdb", place, True, "root")
    data.change_places(place)
    data.settle(place)
    assert not data.mend(place)
    assert files(place)["dump.rdb"] == "restored"
    assert (place / data.ASIDE / "dump.rdb").read_text() == "old"
