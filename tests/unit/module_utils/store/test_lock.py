# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two backups of one store are kept apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.store.errors import StoreError
from ansible_collections.rightsize.webstack.plugins.module_utils.store.lock import alone


def test_two_runs_are_kept_apart(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with alone(folder), pytest.raises(StoreError, match="another backup or restore is at work"):  # noqa: SIM117
        with alone(folder):
            pass
    with alone(folder):
        pass
    assert folder.stat().st_mode & 0o777 == 0o700
