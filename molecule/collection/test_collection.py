# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as its users have it: built, installed and used from a project that new_project has written.

The tests follow one another: deployed, verified, reloaded, rolled back, broken.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from support.playbooks import CHECKOUT, Result, address, container, podman_exec, serving, variant

HOST = "collection"
APP = "agente"
DOMAIN = "api.example.com"
SECRET = "sk-collection-5f2d"
# A file in the project, what the starter says there, and what a user of this host puts in its place.
FILLED_IN = [
    ("hosts.yml", "ansible_host: 192.168.1.50", f"ansible_host: {container(HOST)}"),
    ("hosts.yml", "ansible_user: orangepi", "ansible_connection: podman_pipelined"),
    ("group_vars/all.yml", "agente.main:app", "demo.main:app"),
    ("group_vars/all.yml", "# secrets:", "secrets:"),
    ("group_vars/all.yml", "#   LLM_API_KEY:", "  LLM_API_KEY:"),
]


@dataclass(frozen=True)
class Project:
    """A user's directory, and where the collection is installed."""

    directory: Path
    collections: Path

    def run(self, command: str, **variables: str) -> Result:
        """Run a command line in the project, letter for letter."""
        return run(command, self.directory, ANSIBLE_COLLECTIONS_PATH=str(self.collections), **variables)


def run(command: str, directory: Path, **variables: str) -> Result:
    """Run an Ansible command with nothing of the checkout in reach but the test hosts' connection plugin."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))}
    environment = {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_CONNECTION_PLUGINS": str(CHECKOUT / "tests" / "hosts" / "connection"),
        "ANSIBLE_NOCOLOR": "1",
        **variables,
    }
    done = subprocess.run(
        command.split(),
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Result(command, done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the collection's archive."""
    directory = tmp_path_factory.mktemp("archive")
    run(f"ansible-galaxy collection build --output-path {directory}", CHECKOUT).assert_ok()
    (built,) = directory.glob("rightsize-webstack-*.tar.gz")
    return built


@pytest.fixture(scope="module")
def project(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Install the archive and write a project, not filled in yet."""
    home = tmp_path_factory.mktemp("home")
    project = Project(home / "site", home / "collections")
    run(f"ansible-galaxy collection install --offline -p {project.collections} {archive}", home).assert_ok()
    run(
        "ansible-playbook rightsize.webstack.new_project -e dest=site",
        home,
        ANSIBLE_COLLECTIONS_PATH=str(project.collections),
    ).assert_ok()
    variant(home / "agente")
    return project


@pytest.fixture(scope="module")
def deployed(project: Project) -> Project:
    """Fill in the project and deploy it, with the users' command."""
    for file, starter, filled_in in FILLED_IN:
        path = project.directory / "orangepi" / file
        text = path.read_text(encoding="utf-8")
        assert starter in text, f"{file} of the starter has no {starter!r}"
        path.write_text(text.replace(starter, filled_in), encoding="utf-8")
    project.run("ansible-playbook deploy.yml -i orangepi", LLM_API_KEY=SECRET).assert_ok()
    return project


def health_status() -> int:
    url = f"http://{address(HOST)}/health"
    return requests.get(url, headers={"Host": DOMAIN}, timeout=10).status_code


def test_the_archive_has_what_users_need_and_nothing_else(archive: Path) -> None:
    with tarfile.open(archive) as opened:
        names = opened.getnames()
    top = {name.split("/")[0] for name in names}
    assert {"COPYING", "playbooks", "plugins", "roles", "meta"} <= top
    assert not top & {"molecule", "tests", "tools", "Makefile", "ansible.cfg"}
    assert [
        name for name in names if name.startswith(".") or "__pycache__" in name or name.startswith("inventories/demo")
    ] == []


def test_the_installed_collection_is_the_one_in_use(project: Project) -> None:
    listed = project.run("ansible-galaxy collection list rightsize.webstack").assert_ok().stdout
    assert [line for line in listed.splitlines() if line.startswith("#")] == [
        f"# {project.collections}/ansible_collections"
    ]


def test_a_project_is_not_written_over(project: Project, tmp_path: Path) -> None:
    command = f"ansible-playbook rightsize.webstack.new_project -e dest={tmp_path}/new"
    assert project.run(f"{command} --check --diff").assert_ok().recap["localhost"]["changed"] > 0
    assert not (tmp_path / "new").exists()
    project.run(command).assert_ok()
    assert project.run(command).assert_ok().recap["localhost"]["changed"] == 0
    hosts = tmp_path / "new" / "orangepi" / "hosts.yml"
    hosts.write_text("mine\n")
    (tmp_path / "new" / "deploy.yml").unlink()
    project.run(command).assert_failed("Nothing was written", "orangepi/hosts.yml")
    assert hosts.read_text() == "mine\n"
    assert not (tmp_path / "new" / "deploy.yml").exists()
    project.run("ansible-playbook rightsize.webstack.new_project").assert_failed("-e dest=DIR")


def test_a_secret_that_is_not_there_is_asked_for_before_anything_is_touched(deployed: Project) -> None:
    deployed.run("ansible-playbook deploy.yml -i orangepi").assert_failed("export LLM_API_KEY")


def test_the_users_command_deploys(deployed: Project) -> None:
    assert health_status() == 200
    again = deployed.run("ansible-playbook deploy.yml -i orangepi --check", LLM_API_KEY=SECRET).assert_ok()
    assert again.recap["orangepi"]["changed"] == 0


def test_verify_ends_with_a_line_for_each_app(deployed: Project) -> None:
    before = serving(HOST, APP)
    shown = deployed.run("ansible-playbook verify.yml -i orangepi", LLM_API_KEY=SECRET).assert_ok().stdout
    assert f"ok     {APP}: release {before.live}" in shown
    assert "ok     nginx" in shown
    assert serving(HOST, APP) == before


def test_plan_and_history_are_shown(deployed: Project) -> None:
    # Neither needs the app's secrets.
    assert f"gunicorn.{APP}" in deployed.run("ansible-playbook plan.yml -i orangepi").assert_ok().stdout
    assert str(serving(HOST, APP).live) in deployed.run("ansible-playbook history.yml -i orangepi").assert_ok().stdout


def test_reload_and_rollback(deployed: Project) -> None:
    first = serving(HOST, APP)
    deployed.run("ansible-playbook reload.yml -i orangepi", LLM_API_KEY=SECRET).assert_ok()
    assert serving(HOST, APP).live != first.live
    # In an incident nobody should have to look for a secret first.
    deployed.run("ansible-playbook rollback.yml -i orangepi").assert_ok()
    assert serving(HOST, APP).live == first.live
    assert health_status() == 200


@pytest.fixture
def healed() -> Iterator[None]:
    """Heal, after a test, what it has broken."""
    yield
    podman_exec(HOST, "sh", "-c", "cp /root/nginx.conf /etc/nginx/nginx.conf && systemctl restart nginx.service")
    podman_exec(HOST, "systemctl", "revert", f"{APP}.slice")
    podman_exec(HOST, "systemctl", "stop", f"{APP}@*.service", f"{APP}.service", f"{APP}.slice")
    podman_exec(HOST, "systemctl", "start", f"{APP}.service")


BREAK = {
    "a worker less, nginx.conf edited": (
        'kill -TTOU "$(systemctl show --property MainPID --value "$unit")"; echo "# mine" >>/etc/nginx/nginx.conf',
        [f"WRONG  {APP}: ", "workers run, the plan has", "WRONG  nginx: /etc/nginx/nginx.conf is not what"],
    ),
    "another memory limit, nginx on an older configuration": (
        "systemctl set-property --runtime agente.slice MemoryMax=900M;"
        " sed -i 's/return 200 \"/return 200 \"0/' /etc/nginx/nginx.conf; systemctl restart nginx.service;"
        " cp /root/nginx.conf /etc/nginx/nginx.conf",
        [f"WRONG  {APP}: {APP}.slice may use 900 MB", "WRONG  nginx: nginx runs an older configuration"],
    ),
    "app and nginx stopped": (
        'systemctl stop "$unit" nginx.service',
        [f"WRONG  {APP}: ", "does not run", "WRONG  nginx: nginx does not answer"],
    ),
}


@pytest.mark.usefixtures("healed")
@pytest.mark.parametrize(("command", "says"), BREAK.values(), ids=list(BREAK))
def test_verify_fails_and_says_what_is_not_so(deployed: Project, command: str, says: list[str]) -> None:
    unit = f"{APP}@{serving(HOST, APP).live}.service"
    podman_exec(HOST, "sh", "-c", f"cp /etc/nginx/nginx.conf /root/nginx.conf; unit={unit}; {command}")
    verified = deployed.run("ansible-playbook verify.yml -i orangepi", LLM_API_KEY=SECRET)
    verified.assert_failed()
    shown = one_line(verified.stdout)
    assert [words for words in says if one_line(words) not in shown] == []


def one_line(text: str) -> str:
    """Undo how YAML output folds and quotes."""
    return " ".join(text.split()).replace("''", "'")
