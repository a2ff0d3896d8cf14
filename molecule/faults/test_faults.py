# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy that goes wrong ends with its reason, users never notice, and the next good one works.

Each fault is put into a copy of the demo app or into its entry in the inventory, and
deployed while clients POST without pause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.playbooks import (
    DOMAIN,
    Result,
    Serving,
    address,
    answering,
    podman_exec,
    run_playbook,
    serving,
    variant,
    write_inventory,
)
from support.traffic import Report, Traffic

HOST = "faults"
MARK = "/srv/demo/shared/migrated"
MIGRATE = f"""\
import pathlib, sys
mark = pathlib.Path("{MARK}")
mark.write_text("") if sys.argv[1] == "up" else mark.unlink()
"""
REVERSIBLE = {"run": "python migrate.py up", "undo": "python migrate.py down"}


@dataclass(frozen=True)
class Fault:
    """What is wrong with a deploy, and the words in which the playbook must say so.

    ``edits`` and ``files`` change the demo app (see ``variant``), ``app`` its entry in the inventory.
    """

    says: Sequence[str]
    edits: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    app: Mapping[str, Any] = field(default_factory=dict)


FAULTS = {
    "crashes at start": Fault(
        edits={"demo/main.py": [("PAGE_BYTES = 4096", 'raise RuntimeError("no licence for 7 seats")')]},
        says=["crashed while starting", "still serves", "  | ", "RuntimeError: no licence for 7 seats"],
    ),
    "never becomes healthy": Fault(
        edits={
            "demo/main.py": [
                ("PAGE_BYTES = 4096", 'PAGE_BYTES = 4096\nprint("waiting for the database", flush=True)'),
                (
                    '    return {"status": "ok"',
                    '    raise HTTPException(500, "no database")\n    return {"status": "ok"',
                ),
            ]
        },
        app={"start_timeout": 12},
        says=[
            "was not healthy after 12 s: GET /health answered 500, wanted 200",
            "no database",
            "still serves",
            "  | waiting for the database",
        ],
    ),
    "fails its checks through nginx": Fault(
        edits={"demo/main.py": [('"name": "demo",', '"name": "somebody else",')]},
        files={"migrate.py": MIGRATE},
        app={
            "checks": [{"name": "knows its name", "path": "/", "expect_json": {"name": "demo"}}],
            "migrate": [REVERSIBLE],
        },
        says=[
            "failed its checks through the proxy",
            "knows its name",
            "somebody else",
            "still serves",
            "Booting worker",
        ],
    ),
    "has dependencies that don't resolve": Fault(
        edits={"pyproject.toml": [('"fastapi>=0.115,<1"', '"fastapi>=0.115,<1", "fastapi<0.100"')]},
        says=["the dependencies don't resolve", "  | ", "fastapi<0.100"],
    ),
    "fails to migrate": Fault(
        files={"migrate.py": MIGRATE},
        app={"migrate": [REVERSIBLE, "python --version", "python -c 'raise SystemExit(\"column seats exists\")'"]},
        says=[
            "the migration command",
            "failed with exit code 1",
            "'python --version' declares no undo, so what it changed stays",
            "still serves",
            "  | column seats exists",
        ],
    ),
    "has a configuration that nginx refuses": Fault(
        app={"tls": {"certificate": "/etc/nowhere.crt", "key": "/etc/nowhere.key"}},
        says=['cannot load certificate "/etc/nowhere.crt"'],
    ),
}


@dataclass(frozen=True)
class State:
    """What serves, what nginx runs with, and the releases that answer."""

    serves: Serving
    nginx: str
    answering: set[str]


@dataclass(frozen=True)
class Deployed:
    """One faulty deploy under traffic: how it ended, and what was there before and after it."""

    fault: Fault
    result: Result
    report: Report
    before: State
    after: State
    next_inventory: Path
    next_version: str


@pytest.fixture(scope="module")
def in_service(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The demo app as it is, live on the host."""
    run_playbook("deploy", write_inventory(tmp_path_factory.mktemp("inventory"), HOST)).assert_ok()


def start_traffic() -> Traffic:
    return Traffic(f"http://{address(HOST)}", host=DOMAIN, clients=8, rate=60, streams=2)


def nginx() -> str:
    """Return nginx's main process, its configuration's digest and the enabled sites."""
    shown = [
        ["systemctl", "show", "nginx.service", "--property=MainPID,ActiveState"],
        ["sha256sum", "/etc/nginx/nginx.conf"],
        ["ls", "/etc/nginx/sites-enabled"],
    ]
    return "\n".join(podman_exec(HOST, *command).stdout for command in shown)


def look(traffic: Traffic) -> State:
    return State(serving(HOST), nginx(), answering(traffic))


def ask(domain: str) -> str:
    """Return what nginx answers for a domain's front page."""
    return podman_exec(
        HOST, "curl", "--silent", "--show-error", "--header", f"Host: {domain}", "http://127.0.0.1/"
    ).stdout


@pytest.fixture(scope="module", params=list(FAULTS))
def deployed(request: pytest.FixtureRequest, in_service: None, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    fault = FAULTS[request.param]
    scratch = tmp_path_factory.mktemp("fault")
    number = list(FAULTS).index(request.param)
    bad = variant(scratch / "bad", version=f"1.{number}.666", edits=fault.edits, files=fault.files)
    next_version = f"1.{number + 1}.0"
    good = variant(scratch / "good", version=next_version)
    inventory = write_inventory(scratch / "bad_inventory", HOST, {"source": {"path": str(bad)}, **fault.app})
    next_inventory = write_inventory(scratch / "good_inventory", HOST, {"source": {"path": str(good)}})
    with start_traffic() as traffic:
        before = look(traffic)
        result = run_playbook("deploy", inventory)
        after = look(traffic)
    return Deployed(fault, result, traffic.report(), before, after, next_inventory, next_version)


def test_the_playbook_fails_and_says_why(deployed: Deployed) -> None:
    deployed.result.assert_failed(*deployed.fault.says)


def test_users_never_notice(deployed: Deployed) -> None:
    deployed.report.assert_clean(minimum_requests=1000, minimum_streams=2)


def test_the_old_release_alone_answers(deployed: Deployed) -> None:
    assert deployed.before.answering == deployed.after.answering == {deployed.before.serves.current}


def test_what_served_serves_in_the_same_processes(deployed: Deployed) -> None:
    before, after = deployed.before.serves, deployed.after.serves
    assert (after.current, after.live) == (before.current, before.live)
    unit = f"demo@{before.current}.service"
    assert after.processes[unit] == before.processes[unit]
    assert set(after.processes.items()) <= set(before.processes.items()), "something of the failed release is left"


def test_nginx_is_as_it_was(deployed: Deployed) -> None:
    assert deployed.after.nginx == deployed.before.nginx


def test_no_migration_is_left_applied(deployed: Deployed) -> None:
    assert podman_exec(HOST, "test", "-e", MARK, check=False).returncode == 1


def test_the_next_good_deploy_works(deployed: Deployed) -> None:
    run_playbook("deploy", deployed.next_inventory).assert_ok()
    now = serving(HOST)
    assert now.current == now.live != deployed.before.serves.current
    assert f'"version":"{deployed.next_version}"' in ask(DOMAIN)


def test_nginx_works_beside_a_site_that_is_not_ours_and_without_the_stray_one(in_service: None, tmp_path: Path) -> None:
    other = "server { listen 80; server_name other.example.test; location / { return 200 other; } }"
    podman_exec(HOST, "sh", "-c", f"echo '{other}' >/etc/nginx/sites-enabled/other")
    podman_exec(HOST, "ln", "-sfn", "/etc/nginx/sites-available/default", "/etc/nginx/sites-enabled/default")
    run_playbook("deploy", write_inventory(tmp_path, HOST, {"body_size_mb": 7})).assert_ok()
    assert podman_exec(HOST, "ls", "/etc/nginx/sites-enabled").stdout.split() == ["other"]
    assert ask("other.example.test") == "other"
    assert '"name":"demo"' in ask(DOMAIN)
