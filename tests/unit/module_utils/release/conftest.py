# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app's home in a scratch directory, with releases that need no systemd."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.release.layout import Layout
from ansible_collections.rightsize.webstack.plugins.module_utils.release.spec import Settings
from ansible_collections.rightsize.webstack.plugins.module_utils.release.state import Release


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return the layout of an app named shop below a scratch directory."""
    layout = Layout("shop", srv=tmp_path / "srv", run=tmp_path / "run")
    for directory in (layout.releases, layout.sources, layout.venvs, layout.incoming, layout.live.parent):
        directory.mkdir(parents=True)
    return layout


def add_release(
    layout: Layout, release_id: str, source: str = "s1", venv: str = "v1", label: str = "shop v1"
) -> Release:
    """Put a complete release on disk and return it."""
    release = Release(
        release_id, f"digest-{release_id}", "2026-11-21T04:10:00Z", "ana@desk", source, label, venv, Settings()
    )
    home = layout.release(release_id)
    home.mkdir(parents=True)
    (home / "release.json").write_text(json.dumps(asdict(release)))
    (layout.sources / source).mkdir(exist_ok=True)
    (layout.venvs / venv).mkdir(exist_ok=True)
    (layout.venvs / venv / ".complete").touch()
    return release
