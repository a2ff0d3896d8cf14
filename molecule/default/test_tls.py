# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With a self-signed certificate the app answers over HTTPS and HTTP/2, and plain HTTP leads there."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from support.footprint import changes, footprint
from support.playbooks import DOMAIN, address, podman_exec, run_playbook, write_inventory

HOST = "default"
CURL = ("curl", "--silent", "--show-error", "--connect-to", "::127.0.0.1:443")


@pytest.fixture(scope="module", autouse=True)
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    inventory = write_inventory(tmp_path_factory.mktemp("tls"), HOST, {"tls": {"self_signed": True}})
    run_playbook("deploy", inventory).assert_ok()
    return inventory


def test_plain_http_is_sent_to_https() -> None:
    answer = requests.get(
        f"http://{address(HOST)}/env/A?b=c", headers={"Host": DOMAIN}, timeout=10, allow_redirects=False
    )
    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://{DOMAIN}/env/A?b=c")


@pytest.mark.parametrize(("option", "version"), [("--http2", "2"), ("--http1.1", "1.1")])
def test_https_answers_with_the_certificate_of_the_domain(option: str, version: str) -> None:
    certificate = "/etc/webstack/tls/demo.crt"
    curl = [
        "curl",
        "--silent",
        "--show-error",
        "--fail",
        option,
        "--cacert",
        certificate,
        "--connect-to",
        "::127.0.0.1:443",
    ]
    shown = podman_exec(HOST, *curl, "--write-out", "\n%{http_version}", f"https://{DOMAIN}/health").stdout
    assert '"status":"ok"' in shown
    assert shown.splitlines()[-1] == version


def test_old_protocols_are_refused() -> None:
    curl = [*CURL, "--insecure", "--tls-max", "1.1"]
    assert podman_exec(HOST, *curl, f"https://{DOMAIN}/health", check=False).returncode == 35


def test_the_key_is_roots_alone() -> None:
    assert podman_exec(HOST, "stat", "-c", "%a %U", "/etc/webstack/tls/demo.key").stdout.strip() == "600 root"


def test_a_second_run_changes_nothing(inventory: Path) -> None:
    before = footprint(HOST)
    assert run_playbook("deploy", inventory, check=True, diff=True).assert_ok().recap[HOST]["changed"] == 0
    assert run_playbook("deploy", inventory).assert_ok().recap[HOST]["changed"] == 0
    assert changes(before, footprint(HOST)) == []
