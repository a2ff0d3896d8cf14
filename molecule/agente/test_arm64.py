# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The board's architecture and its usual system (Debian 12), in an emulated container: what could differ from x86.

Read, plan, build with wheels for arm64, start, answer through nginx. What the architecture does not matter to is left
to test_agente.py, which is a dozen times faster because it is not emulated: PostgreSQL, traffic, reloads. So is the
firewall: an emulated nft cannot speak to the kernel. ``make orangepi`` has all of it on a whole emulated board.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from support.boards import orange_pi
from support.examples import write_example
from support.playbooks import address, container, podman_exec, run_playbook, serving

HOST, APP = "agentearm", "agente"
DOMAIN = "agente.example.com"
BOARD = "/opt/orange-pi-5-plus"
#: The plan is made as if the database were here.
GROUPS = ["app", "proxy", "postgres"]
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inventory as users copy it, less its database, in service; planned from a description of the board."""
    tree = orange_pi(tmp_path_factory.mktemp("board") / "tree")
    podman_exec(HOST, "rm", "-rf", BOARD)
    subprocess.run(["podman", "cp", str(tree), f"{container(HOST)}:{BOARD}"], check=True, capture_output=True)

    def change(variables: dict[str, Any]) -> None:
        (app,) = variables["webstack_apps"]
        for key in ("postgres", "migrate", "checks", "warmup"):
            del app[key]
        # On /health the app says that it has no database.
        app.update(health="/", start_timeout=240, secrets={"LLM_API_KEY": "0123456789abcdef"})
        del variables["firewall_enabled"]
        variables.update(plan_root=BOARD, plan_groups=GROUPS)
        # An emulated systemd cannot make these namespaces; the board's own kernel can.
        variables["gunicorn_app_unit_options"] = ["PrivateIPC=no", "PrivateUsers=no"]

    directory = write_example(tmp_path_factory.mktemp("inventory"), "orangepi", change, {"orangepi": HOST})
    written = json.loads((directory / "hosts.yml").read_text(encoding="utf-8"))
    del written["all"]["children"]["postgres"]
    (directory / "hosts.yml").write_text(json.dumps(written), encoding="utf-8")
    run_playbook("deploy", directory).assert_ok()
    return directory


def test_the_plan_has_four_workers_for_the_big_cores(inventory: Path) -> None:
    said = run_playbook("plan", inventory).assert_ok().said
    assert "Orange Pi 5 Plus: 8 usable CPUs, 6.00 cores' worth (part and frequency" in said
    assert "workers 4 6.00 cores' worth × 0.70 (nginx 5%, postgres 25% kept)" in said
    assert "allowed_cpus 4-7 " in said


def test_the_app_serves_on_arm64(inventory: Path) -> None:
    assert podman_exec(HOST, "uname", "-m").stdout.strip() == "aarch64"
    answer = requests.get(f"https://{address(HOST)}/", headers={"Host": DOMAIN}, verify=False, timeout=60)
    assert (answer.status_code, answer.json()["release"]) == (200, serving(HOST, APP).current)
    assert f"/srv/{APP}/releases/" in podman_exec(HOST, "cat", f"/proc/{answer.json()['pid']}/cmdline").stdout
    built = podman_exec(HOST, "sh", "-c", f"find /srv/{APP}/venvs -name '*.so' | head -400").stdout.split()
    assert any("aarch64-linux-gnu.so" in path and "asyncpg" in path for path in built), built[:5]


def test_the_machine_itself_is_read(inventory: Path, tmp_path: Path) -> None:
    """Without a description: what of this machine gets through the emulation, which is its architecture at least."""
    live = json.loads((inventory / "hosts.yml").read_text(encoding="utf-8"))
    del live["all"]["vars"]["plan_root"]
    (tmp_path / "hosts.yml").write_text(json.dumps(live), encoding="utf-8")
    report = tmp_path / "plan.html"
    run_playbook("plan", tmp_path, {"report": str(report)}).assert_ok()
    assert "Orange Pi" not in report.read_text(encoding="utf-8")
