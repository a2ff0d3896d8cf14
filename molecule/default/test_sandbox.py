# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The app's own process cannot write outside its directories: asked through an endpoint that tries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from support.playbooks import DOMAIN, address, podman_exec, run_playbook, serving, variant, write_inventory

HOST = "default"
NAME = "written-by-the-app"
# Anybody may write there, so that only the sandbox can be what refuses.
OPEN_PLACES = ("/opt/open", "/etc/open", "/srv/open", "/srv/demo/open", "/var/lib/open", "/run/open", "/home/open")
PLACES = (
    "/", "/etc", "/etc/systemd/system", "/usr/local/bin", "/srv", "/srv/demo", "/srv/demo/releases", "/srv/demo/venvs",
    "/srv/demo/current/src", "/srv/demo/current/etc", "/opt", "/root", "/var/lib", "/var/log", "/var/cache/webstack",
    "/run", "/run/lock", "/run/systemd", "/dev", "/sys/fs/cgroup", "/proc/sys/kernel",
)  # fmt: skip
OWN_PLACES = ("/srv/demo/shared", "/run/demo")
PRIVATE_PLACES = ("/tmp", "/var/tmp", "/dev/shm")
SECRET_FILES = (
    "/etc/shadow",
    "/srv/demo/current/etc/environment",
    "/srv/demo/current/release.json",
    "/srv/demo/.fingerprint.key",
)
APP = """
import os
from pathlib import Path

from .main import app


@app.get("/write")
def write(path: str) -> str:
    try:
        Path(path).write_text("x")
    except OSError as error:
        return error.strerror
    return "written"


@app.get("/read")
def read(path: str) -> str:
    try:
        Path(path).read_bytes()
    except OSError as error:
        return error.strerror
    return "read"


@app.get("/others")
def others() -> list[int]:
    found = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [int(path.name) for path in found if path.stat().st_uid != os.getuid()]
"""


def ask(endpoint: str, **query: str) -> Any:
    answer = requests.get(f"http://{address(HOST)}{endpoint}", params=query, headers={"Host": DOMAIN}, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def write(place: str) -> str:
    said: str = ask("/write", path=f"{place}/{NAME}")
    return said


@pytest.fixture(scope="module", autouse=True)
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    directory = tmp_path_factory.mktemp("sandbox")
    source = variant(directory / "source", files={"demo/sandbox.py": APP})
    app = {"source": {"path": str(source)}, "entrypoint": "demo.sandbox:app"}
    run_playbook("deploy", write_inventory(directory / "inventory", HOST, app)).assert_ok()
    podman_exec(HOST, "install", "-d", "-m", "1777", *OPEN_PLACES)
    yield
    podman_exec(HOST, "rm", "-r", *OPEN_PLACES)


@pytest.mark.parametrize("place", [*PLACES, *OPEN_PLACES])
def test_the_app_cannot_write(place: str) -> None:
    assert write(place) != "written"


@pytest.mark.parametrize("place", OWN_PLACES)
def test_the_app_can_write_to_its_own(place: str) -> None:
    assert write(place) == "written"


@pytest.mark.parametrize("place", PRIVATE_PLACES)
def test_temporary_files_are_the_apps_own(place: str) -> None:
    assert write(place) == "written"
    assert podman_exec(HOST, "test", "-e", f"{place}/{NAME}", check=False).returncode == 1


@pytest.mark.parametrize("path", SECRET_FILES)
def test_the_app_cannot_read(path: str) -> None:
    podman_exec(HOST, "test", "-f", path)
    assert ask("/read", path=path) != "read"


def test_the_app_sees_no_processes_of_others() -> None:
    assert ask("/others") == []


def test_systemd_finds_little_exposed() -> None:
    unit = f"demo@{serving(HOST).live}.service"
    said = podman_exec(HOST, "systemd-analyze", "security", "--no-pager", unit).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found is not None, said
    assert float(found[1]) <= 1.5, said
