# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dry runs say what would be done and do nothing; a second run has nothing to do."""

from __future__ import annotations

from pathlib import Path

from support.footprint import changes, footprint
from support.playbooks import podman_exec, run_playbook, serving, write_inventory

HOST = "default"
VIRGIN = "virgin"


def test_a_dry_run_on_a_virgin_host_says_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    before = footprint(VIRGIN)
    result = run_playbook("deploy", write_inventory(tmp_path, VIRGIN), check=True, diff=True).assert_ok()
    assert result.recap[VIRGIN]["changed"] > 0
    for promise in ("+Slice=demo.slice", "+        server unix:/run/demo/live.sock", "nginx", '"source_digest"'):
        assert promise in result.stdout, f"the dry run says nothing of {promise}"
    assert changes(before, footprint(VIRGIN)) == []
    assert podman_exec(VIRGIN, "id", "demo", check=False).returncode != 0


def test_a_second_run_and_a_dry_run_change_nothing(tmp_path: Path) -> None:
    inventory = write_inventory(tmp_path, HOST)
    run_playbook("deploy", inventory).assert_ok()
    before, served = footprint(HOST), serving(HOST)
    assert run_playbook("deploy", inventory, check=True, diff=True).assert_ok().recap[HOST]["changed"] == 0
    assert run_playbook("deploy", inventory).assert_ok().recap[HOST]["changed"] == 0
    assert changes(before, footprint(HOST)) == []
    assert serving(HOST) == served


def test_the_diff_of_a_dry_run_is_what_would_change(tmp_path: Path) -> None:
    run_playbook("deploy", write_inventory(tmp_path, HOST)).assert_ok()
    before, served = footprint(HOST), serving(HOST)
    changed = write_inventory(
        tmp_path, HOST, {"workers": 5, "memory_max_mb": 777, "body_size_mb": 3, "environment": {"DEMO_X": "one"}}
    )
    shown = run_playbook("deploy", changed, check=True, diff=True).assert_ok().stdout.splitlines()
    for line in (
        "-MemoryMax=",
        "+MemoryMax=777M",
        "-        client_max_body_size 10m;",
        "+        client_max_body_size 3m;",
    ):
        assert any(found.startswith(line) for found in shown), f"the diff has no line {line!r}"
    assert any(line.startswith("+") and '"workers = 5"' in line for line in shown)
    assert any(line.startswith("+") and '"DEMO_X": "one"' in line for line in shown)
    assert changes(before, footprint(HOST)) == []
    assert serving(HOST) == served
