# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file is whole or the old one."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.files import digest_of, write_atomically


def test_a_file_is_replaced_with_its_mode_whatever_a_dead_run_has_left(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    left = tmp_path / ".secret.new"
    left.write_text("half")
    left.chmod(0o666)
    with left.open() as others:
        write_atomically(path, "abc", 0o600)
        assert others.read() == "half", "whoever has that open reads no secret in it"
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("abc", 0o600)
    assert digest_of(path).startswith("ba7816bf8f01cfea")


def test_what_cannot_be_written_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(path, "new", 0o644)
    assert list(tmp_path.iterdir()) == [path]
