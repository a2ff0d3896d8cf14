# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports SSH is reached at."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.firewall import ssh


def process(proc: Path, number: int, parent: int, environment: bytes) -> None:
    directory = proc / str(number)
    directory.mkdir()
    (directory / "environ").write_bytes(environment)
    (directory / "stat").write_text(f"{number} (a (strange) name) S {parent} 1 1\n")


@pytest.fixture
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_configured", set)


@pytest.mark.usefixtures("nothing_configured")
def test_the_port_of_this_login_is_found_above_sudo(tmp_path: Path) -> None:
    process(tmp_path, 7, 6, b"SUDO_USER=ana\0HOME=/root\0")
    process(tmp_path, 6, 5, b"HOME=/home/ana\0SSH_CONNECTION=192.0.2.9 50000 192.0.2.1 2222\0")
    process(tmp_path, 5, 1, b"SSH_CONNECTION=192.0.2.9 50000 192.0.2.1 3333\0")
    assert ssh.ssh_ports(tmp_path, 7) == {2222}


@pytest.mark.usefixtures("nothing_configured")
@pytest.mark.parametrize("environment", [b"HOME=/root\0", b"NO_SSH_CONNECTION=1 2 3 4\0", b"SSH_CONNECTION=\0"])
def test_without_a_login_the_usual_port_stays_open(tmp_path: Path, environment: bytes) -> None:
    process(tmp_path, 7, 1, environment)
    assert ssh.ssh_ports(tmp_path, 7) == {22}


def test_ports_of_the_configuration() -> None:
    assert ssh.ports_of("port 22\nport 2022\naddressfamily any\ngatewayports no\nx port 1\n") == {22, 2022}
