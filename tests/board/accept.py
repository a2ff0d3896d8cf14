# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the agent into service on the emulated board as its user would, command for command, and look at the result.

``accept.py FOLDER``: FOLDER has a running board (tests/board/start). A new project is written below it with
``rightsize.webstack.new_project``, filled in with what inventories/orangepi says, and deployed. The certificate is
self-signed, the model a stand-in on this machine, and time-outs are longer: the emulator is some 20 times slower
than the board. Exits 1 when something is not as it should be.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import urllib3
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
DOMAIN = "agente.example.com"
MODEL_PORT = 8900
#: How qemu's own network calls this machine.
THIS_MACHINE = "10.0.2.2"
SLOWER = 30
WORKERS = 4
BIG_CORES = "4-7"


@dataclass(frozen=True)
class Board:
    """The running board and where its ports are on this machine."""

    folder: Path
    ssh_port: int
    https_port: int

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def ssh_options(self) -> list[str]:
        return ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=120"]

    def ask(self, command: str) -> str:
        """Return what a command prints that root gives on the board."""
        ssh = ["ssh", "-q", "-i", str(self.folder / "key"), "-p", str(self.ssh_port), *self.ssh_options]
        done = subprocess.run([*ssh, "orangepi@127.0.0.1", "sudo", command], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Ask the site, as users do."""
        url = f"https://127.0.0.1:{self.https_port}{path}"
        return requests.request(method, url, headers={"Host": DOMAIN}, verify=False, timeout=180, **options)


def say(text: str) -> None:
    print(f"==> {time.strftime('%H:%M:%S')} {text}", flush=True)


def write_project(board: Board, environment: Mapping[str, str]) -> None:
    """Start a project, and fill in what its user would."""
    shutil.rmtree(board.project, ignore_errors=True)
    run(["ansible-playbook", "rightsize.webstack.new_project", "-e", f"dest={board.project}"], CHECKOUT, environment)
    shutil.rmtree(board.folder / "agente", ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "tests" / "apps" / "agente", board.folder / "agente", ignore=ignored)
    # A repository of its own, as users have: the one around it leaves .build out.
    subprocess.run(["git", "init", "--quiet", str(board.folder / "agente")], check=True)
    change_yaml(board.project / "orangepi" / "hosts.yml", lambda hosts: fill_in_hosts(hosts, board))
    example = CHECKOUT / "inventories" / "orangepi" / "group_vars" / "all.yml"
    shutil.copy(example, board.project / "orangepi" / "group_vars" / "all.yml")
    change_yaml(board.project / "orangepi" / "group_vars" / "all.yml", fill_in_variables)


def change_yaml(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def fill_in_hosts(hosts: dict[str, Any], board: Board) -> None:
    hosts["all"]["children"]["postgres"] = {"hosts": {"orangepi": None}}
    hosts["all"]["vars"].update(
        ansible_host="127.0.0.1",
        ansible_port=board.ssh_port,
        ansible_ssh_private_key_file=str(board.folder / "key"),
        ansible_ssh_common_args=" ".join(board.ssh_options),
        ansible_ssh_timeout=120,
        webstack_address="127.0.0.1",
    )


def fill_in_variables(variables: dict[str, Any]) -> None:
    (app,) = variables["webstack_apps"]
    assert "workers" not in app, "the number of workers must be the plan's"
    app["source"] = {"path": "../../agente"}
    app["tls"] = {"self_signed": True}
    app["environment"].update(
        LLM_URL=f"http://{THIS_MACHINE}:{MODEL_PORT}/v1",
        LLM_TIMEOUT=str(90 * SLOWER),
        DATABASE_TIMEOUT=str(5 * SLOWER),
    )
    app["start_timeout"] = 60 * SLOWER
    app["health"] = {"path": app["health"], "timeout": 60}
    for check in app["checks"]:
        check["max_seconds"] = min(600, check.get("max_seconds", 10) * SLOWER)
    variables["firewall_confirm_seconds"] = 60 * SLOWER


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command, show what it prints as it does, and return it. Raises ``SystemExit`` when it fails."""
    say(f"{' '.join(command)}    (in {folder})")
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        print(line, end="", flush=True)
    if process.wait():
        sys.exit(f"accept: {' '.join(command)} failed with {process.returncode}")
    say(f"done in {time.monotonic() - started:.0f} s")
    return " ".join(" ".join(lines).split())


@contextlib.contextmanager
def language_model(key: str) -> Iterator[None]:
    """Run the stand-in for the model on this machine, for as long as it is needed."""
    stub = CHECKOUT / "tests" / "apps" / "llm_stub" / "llm_stub.py"
    command = [sys.executable, str(stub), "--port", str(MODEL_PORT), "--tokens-per-second", "5"]
    process = subprocess.Popen(command, env={**os.environ, "LLM_STUB_KEY": key})
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def demand(what: str, found: Any, wanted: Any) -> None:
    """Print what was found. Raises ``SystemExit`` when it is not what was wanted."""
    if found != wanted:
        sys.exit(f"accept: {what}: {found!r}, not {wanted!r}")
    print(f"    {what}: {found}", flush=True)


def look_at_the_site(board: Board) -> None:
    say("What users see")
    demand("/health", board.call("GET", "/health").json()["status"], "ok")
    kept = board.call("POST", "/api/memories", json={"text": "Ana prefiere el té verde"}).json()["id"]
    nearest = board.call("GET", "/api/memories", params={"q": "qué té prefiere Ana", "limit": 1}).json()
    demand("what is remembered is found by its meaning", [one["id"] for one in nearest], [kept])
    body = {"message": "una palabra tras otra", "stream": True}
    started, seconds = time.monotonic(), []
    with board.call("POST", "/api/chat", json=body, stream=True) as answer:
        for line in answer.iter_lines(chunk_size=1):
            if line.startswith(b"event: "):
                seconds.append(time.monotonic() - started)
    gaps = [later - earlier for earlier, later in zip(seconds, seconds[1:])]
    demand("words arrive one by one", sum(gap > 0.05 for gap in gaps) > len(gaps) / 2, True)


def look_at_the_board(board: Board) -> None:
    say("What runs")
    main = board.ask("systemctl show 'agente@*.service' --property=MainPID --value").split()[-1]
    workers = board.ask(f"pgrep -P {main}").split()
    demand("workers", len(workers), WORKERS)
    group = "/sys/fs/cgroup/agente.slice/cpuset.cpus.effective"
    demand("CPUs of agente.slice, as the kernel has them", board.ask(f"cat {group}"), BIG_CORES)
    allowed = {board.ask(f"grep Cpus_allowed_list /proc/{pid}/status").split()[-1] for pid in workers}
    demand("CPUs that the workers may use", allowed, {BIG_CORES})
    main = board.ask("systemctl show postgresql@17-main.service --property=MainPID --value")
    demand("CPUs that PostgreSQL may use", board.ask(f"grep Cpus_allowed_list /proc/{main}/status").split()[-1], "0-7")
    rules = board.ask("nft list table inet webstack")
    opened = sorted(line.strip() for line in rules.splitlines() if "dport" in line and "tcp" in line)
    demand("open", opened, ["tcp dport 22 accept", "tcp dport 443 accept", "tcp dport 80 accept"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Deploy to the emulated board and look at the result.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ssh-port", type=int, default=2222)
    parser.add_argument("--https-port", type=int, default=8449)
    options = parser.parse_args()
    board = Board(options.folder.resolve(), options.ssh_port, options.https_port)
    key = secrets.token_hex(16)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".build" / "collections"),
        "AGENTE_LLM_API_KEY": key,
        "AGENTE_DATABASE_PASSWORD": secret(board, "database"),
        "AGENTE_OWNER_PASSWORD": secret(board, "owner"),
    }
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    write_project(board, environment)
    said = run(["ansible-playbook", "plan.yml", "-i", "orangepi"], board.project, environment)
    reason = "× 0.70 (nginx 5%, postgres 25% kept) × 1 per core (llm on an event loop)"
    demand("the plan's reason", reason in said, True)
    with language_model(key):
        run(["ansible-playbook", "deploy.yml", "-i", "orangepi"], board.project, environment)
        look_at_the_site(board)
        look_at_the_board(board)
    say(f"In service. ssh -i {board.folder}/key -p {board.ssh_port} orangepi@127.0.0.1; make clean switches it off")


def secret(board: Board, name: str) -> str:
    """Return a password that stays the same from one run to the next."""
    path = board.folder / "secrets.json"
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known.setdefault(name, secrets.token_hex(24))
    path.touch(mode=0o600)
    path.write_text(json.dumps(known), encoding="utf-8")
    return known[name]


if __name__ == "__main__":
    main()
