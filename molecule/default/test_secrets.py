# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret reaches the app as it was written, and nobody else: a canary is planted and searched for everywhere."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import requests
from support.arguments import Watch
from support.playbooks import (
    DOMAIN,
    Result,
    address,
    podman_exec,
    run_playbook,
    serving,
    write_inventory,
)

HOST = "default"
CANARY = f"canary{secrets.token_hex(8)}"
VALUES = {
    "DEMO_PLAIN": CANARY,
    "DEMO_SPACES": f"  {CANARY} two  spaces ",
    "DEMO_QUOTES": f"'{CANARY}' \"double\" `back`",
    "DEMO_DOLLARS": f"$HOME ${{PATH}} $(id) {CANARY} $$",
    "DEMO_BACKSLASHES": f"\\n \\\\ \\x41 {CANARY}\\",
    "DEMO_NEWLINES": f"first\n{CANARY}\n\nlast\n",
    "DEMO_PERCENT": f"%i %% %s {CANARY}%",
    "DEMO_UNICODE": f"ñ€𝄞 {CANARY} \u200b\u00a0",
    "DEMO_HASH": f"# {CANARY} ; not a comment",
    "DEMO_EMPTY": "",
    "DEMO_TAB": f"\t{CANARY}\t",
}
CHECK = {"path": "/health", "secret_headers": {"Authorization": f"Bearer {CANARY}"}}
# Where the canary may be, for root alone: what the app gets, and for the check's header what the release keeps.
SKIPPED = ("/proc", "/sys", "/dev")


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secrets")


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch(CANARY)


@pytest.fixture(scope="module", autouse=True)
def runs(inventory: Path, watch: Watch) -> Iterator[list[Result]]:
    """Deploy with secrets, as loudly and as curiously as Ansible can, and ask for all that can be asked."""
    app: dict[str, Any] = {"secrets": VALUES, "environment": {"DEMO_PUBLIC": "shown"}, "checks": [CHECK]}
    write_inventory(inventory, HOST, app)
    with watch:
        found = [run_playbook("deploy", inventory, check=True, diff=True, verbosity=3).assert_ok()]
        found += [run_playbook("deploy", inventory, diff=True, verbosity=3).assert_ok()]
        found += [run_playbook(name, inventory, diff=True, verbosity=3).assert_ok() for name in ("history", "verify")]
        write_inventory(inventory, HOST, {**app, "secrets": {**VALUES, "DEMO_EMPTY": f"no more {CANARY}"}})
        found += [run_playbook("reload", inventory, diff=True, verbosity=3).assert_ok()]
        found += [run_playbook("rollback", inventory, diff=True, verbosity=3).assert_ok()]
    yield found


def test_every_character_of_a_secret_reaches_the_app() -> None:
    for name, value in VALUES.items():
        answer = requests.get(f"http://{address(HOST)}/env/{name}", headers={"Host": DOMAIN}, timeout=10)
        assert answer.json() == {name: value}


def test_nothing_that_ansible_prints_has_it(runs: list[Result]) -> None:
    for result in runs:
        assert "DEMO_PLAIN" in result.stdout or "deploy" not in result.command, "the diff names what it hides"
        assert _around(result.stdout + result.stderr) == []


def test_no_process_had_it_in_its_arguments(watch: Watch) -> None:
    watch.assert_nobody_saw_it()


def test_only_roots_own_files_have_it() -> None:
    exclude = [f"--exclude-dir={place[1:]}" for place in SKIPPED]
    found = podman_exec(HOST, "grep", "-rlaF", "--devices=skip", *exclude, CANARY, "/", check=False).stdout.split()
    assert found
    for path in found:
        assert fnmatch(path, "/srv/demo/releases/*/etc/environment") or fnmatch(path, "/srv/demo/releases/*.json"), path
        assert podman_exec(HOST, "stat", "-c", "%a %U", path).stdout.strip() == "600 root"


def test_neither_journal_nor_units_have_it() -> None:
    journal = podman_exec(HOST, "journalctl", "--no-pager", "--all", "--output=export").stdout
    assert len(journal) > 1000
    units = podman_exec(HOST, "systemctl", "show", "--all", "*").stdout
    unit = podman_exec(HOST, "systemctl", "show", f"demo@{serving(HOST).live}.service").stdout
    assert "ExecStart=" in unit
    assert _around(journal + units + unit) == []


@pytest.mark.parametrize(
    "mistake",
    [
        {"source": {"path": "/nowhere"}},
        {"secrets": CANARY},
        {"secrets": {"DEMO_LIST": [CANARY]}},
        {"secrets": {"DEMO_NUL": f"{CANARY}\0"}},
        {"secrets": {"DEMO_PLAIN": CANARY, "a b": CANARY}},
        {"secrets": {"DEMO_PLAIN": CANARY}, "workers": "many"},
        {"secrets": {"DEMO_PLAIN": CANARY}, "workload": "heavy"},
        {"checks": [{**CHECK, "pth": "/"}]},
    ],
    ids=", ".join,
)
def test_a_refusal_does_not_tell_it(mistake: dict[str, Any], tmp_path: Path) -> None:
    app = {"secrets": VALUES, **mistake}
    result = run_playbook("preflight", write_inventory(tmp_path, HOST, app), diff=True, verbosity=3).assert_failed()
    assert _around(result.stdout + result.stderr) == []


def test_a_release_that_fails_does_not_tell_it(tmp_path: Path) -> None:
    app = {"secrets": VALUES, "health": "/missing", "start_timeout": 3}
    result = run_playbook("deploy", write_inventory(tmp_path, HOST, app), diff=True, verbosity=3)
    assert _around(result.assert_failed("GET /missing answered 404").stdout + result.stderr) == []


def _around(text: str) -> list[str]:
    """Return the lines that have the canary."""
    return [line[:400] for line in text.splitlines() if CANARY in line]
