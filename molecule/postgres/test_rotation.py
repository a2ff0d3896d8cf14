# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app finds its database by itself, and its role and password change while users are at work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.playbooks import DOMAIN, address, podman_exec, run_playbook, serving, variant, write_inventory
from support.traffic import Traffic

HOST = "postgres"
# Each request logs in anew, so that none is saved by a connection from before.
ASK = """\
    body = await request.body()
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("INSERT INTO visits VALUES (now())")
"""
MIGRATE = """\
import os, psycopg
with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS visits (at timestamptz NOT NULL)")
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The demo app, which logs in to its database at every POST."""
    edits = {
        "demo/main.py": [
            ("import time\n", "import time\n\nimport psycopg\n"),
            ("    body = await request.body()\n", ASK),
        ],
        "pyproject.toml": [('"fastapi>=0.115,<1"', '"fastapi>=0.115,<1", "psycopg[binary]"')],
    }
    return str(variant(tmp_path_factory.mktemp("source") / "app", edits=edits, files={"migrate.py": MIGRATE}))


def test_a_role_and_its_password_change_with_no_failed_request(source: str, tmp_path: Path) -> None:
    first: dict[str, Any] = {"database": "visits", "password": "one", "owner_password": "owner"}
    old = {"name": "demo", "password": "one"}
    both = {**first, "user": "demo_next", "password": "two", "users": [old]}
    after = {**first, "user": "demo_next", "password": "two"}

    def deploy(postgres: dict[str, Any]) -> None:
        app = {"source": {"path": source}, "migrate": ["python migrate.py"], "postgres": postgres}
        inventory = write_inventory(tmp_path, HOST, app, groups=("app", "proxy", "postgres"))
        run_playbook("deploy", inventory).assert_ok()

    deploy(first)
    with Traffic(f"http://{address(HOST)}", host=DOMAIN, clients=4, rate=10, max_seconds=900) as traffic:
        releases = [serving(HOST).live]
        for postgres in (both, after):
            deploy(postgres)
            releases.append(serving(HOST).live)
    report = traffic.report()
    report.assert_clean(minimum_requests=100)
    assert releases[0] != releases[1] and releases[1] == releases[2]
    refused = podman_exec(
        HOST, "psql", "-XAtq", "postgresql://demo:one@127.0.0.1/visits", "-c", "SELECT 1", check=False
    )
    assert "no pg_hba.conf entry" in refused.stderr
    count = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", "visits", "-c", "SELECT count(*) FROM visits"]
    assert int(podman_exec(HOST, *count).stdout) >= report.requests
