# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program on a host is whole, runs there by itself, and shows its secrets to root alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql import on_host as mysql
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.backup import Store
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.connection import Login
from ansible_collections.rightsize.webstack.plugins.module_utils.redis import on_host as redis
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.server import SERVER_OPTIONS
from ansible_collections.rightsize.webstack.plugins.module_utils.store import timer
from ansible_collections.rightsize.webstack.plugins.module_utils.store.timer import Program, install

SERVER = {name: f"/nowhere/{name}" for name in SERVER_OPTIONS}


def config_of(program: Program, folder: Path) -> dict[str, Any]:
    if program is mysql.PROGRAM:
        return mysql.configuration(Store(folder, Login(password="geheim")), 7)
    return {"server": SERVER, "folder": str(folder), "keep": 7}


@pytest.mark.parametrize("program", [mysql.PROGRAM, redis.PROGRAM], ids=["mysql", "redis"])
def test_the_program_runs_with_nothing_but_its_own_files(program: Program, tmp_path: Path) -> None:
    config = config_of(program, tmp_path / "backups")
    for path, (text, mode) in program.files(config, "service", "timer").items():
        there = tmp_path / path.relative_to("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(text.replace(str(program.home), str(tmp_path / program.home.relative_to("/"))))
        there.chmod(mode)
    command = [sys.executable, "-I", str(tmp_path / program.path.relative_to("/"))]
    listed = subprocess.run([*command, "list"], capture_output=True, text=True, check=False)
    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "", "")
    refused = subprocess.run([*command, "restore", "latest"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "there" in refused.stderr and "Traceback" not in refused.stderr
    assert not [path for path in tmp_path.rglob("*") if path.name == "__pycache__"]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Below a directory of the test's own, without systemd; what it would be told is noted."""
    told: list[str] = []

    def systemctl(*arguments: str, check: bool = False) -> str:
        told.append(" ".join(arguments))
        return ""

    monkeypatch.setattr(timer, "systemctl", systemctl)
    monkeypatch.setattr(timer, "UNITS", tmp_path / "units")
    monkeypatch.setattr(Program, "path", tmp_path / "program")
    monkeypatch.setattr(Program, "home", tmp_path / "home")
    return told


def test_what_differs_is_written_once_and_shown_without_secrets(tmp_path: Path, host: list[str]) -> None:
    config = config_of(mysql.PROGRAM, tmp_path)
    dry = install(mysql.PROGRAM, config, "service", "timer", False, True)
    assert dry["changed"] and not (tmp_path / "home").exists() and not [line for line in host if "show" not in line]
    install(mysql.PROGRAM, config, "service", "timer", False, False)
    assert "daemon-reload" in host
    assert install(mysql.PROGRAM, config, "service", "timer", False, False)["changed"] is False
    saved = tmp_path / "home" / "config.json"
    assert json.loads(saved.read_text())["login"]["password"] == "geheim" and saved.stat().st_mode & 0o777 == 0o600
    more = install(mysql.PROGRAM, {**config, "keep": 9}, "service", "timer", False, True)
    (shown,) = more["diff"]
    assert '"keep": 7' in shown["before"] and '"keep": 9' in shown["after"]
    assert "geheim" not in str([dry["diff"], more["diff"]])


def test_what_others_can_read_has_no_password(tmp_path: Path) -> None:
    wanted = mysql.PROGRAM.files(config_of(mysql.PROGRAM, tmp_path), "service", "timer")
    assert [(path.name, mode) for path, (text, mode) in wanted.items() if "geheim" in text] == [("config.json", 0o600)]
