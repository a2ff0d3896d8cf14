# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the running release's workers use is what the next plan is made with, and then the plan stands.

The last file of this scenario: what was measured here stays planned for a day.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.playbooks import run_playbook, variant, write_inventory

HOST = "default"
HELD_MB = 150


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an inventory whose app holds more memory than is assumed for its framework."""
    base = tmp_path_factory.mktemp("large")
    held = f"import os\nVERSION = '3.0.0'\nHELD = os.urandom({HELD_MB} << 20)\n"
    source = variant(base / "app", files={"demo/version.py": held})
    return write_inventory(base / "inventory", HOST, {"source": {"path": str(source)}})


def test_a_larger_app_is_planned_as_large_as_it_is_and_only_once(inventory: Path) -> None:
    run_playbook("deploy", inventory).assert_ok()
    plan = run_playbook("plan", inventory).assert_ok().stdout
    reason = " ".join(plan[plan.index("memory_per_worker_mb") :][:600].split())
    assert "planned with 75; the peak plus 15%, rounded up" in reason
    planned = int(reason.split()[1])
    assert HELD_MB * 1.15 < planned < HELD_MB * 2
    run_playbook("deploy", inventory).assert_ok()
    assert run_playbook("deploy", inventory).assert_ok().recap[HOST]["changed"] == 0
    assert f"memory_per_worker_mb {planned} " in " ".join(run_playbook("plan", inventory).stdout.split())
