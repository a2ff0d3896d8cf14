# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app's user and password change while users are at work, as docs/mysql.md says."""

from __future__ import annotations

from pathlib import Path

from support.playbooks import DOMAIN, address, podman_exec, run_playbook, variant, write_inventory
from support.traffic import Traffic

HOST = "mysql"
# Each request logs in anew, so that none is saved by a connection from before.
ASK = """\
    body = await request.body()
    url = urlsplit(os.environ["DATABASE_URL"])
    login = {"user": url.username, "password": url.password, "host": url.hostname, "database": url.path[1:]}
    with pymysql.connect(**login, autocommit=True) as connection:
        connection.cursor().execute("INSERT INTO visits VALUES (NOW())")
"""
EDITS = {
    "demo/main.py": [
        ("import time\n", "import time\nfrom urllib.parse import urlsplit\n\nimport pymysql\n"),
        ("    body = await request.body()\n", ASK),
    ],
    "pyproject.toml": [('"fastapi>=0.115,<1"', '"fastapi>=0.115,<1", "pymysql"')],
}


def test_a_user_and_its_password_change_with_no_failed_request(tmp_path: Path) -> None:
    source = variant(tmp_path / "app", edits=EDITS)

    def deploy(*users: str) -> None:
        """The app is the last one; each user's name is its password too."""
        app = {
            "source": {"path": str(source)},
            "mysql": {"database": "visits"},
            "secrets": {"DATABASE_URL": f"mysql://{users[-1]}:{users[-1]}@localhost/visits"},
        }
        wanted = [{"name": user, "password": user, "privileges": {"visits.*": "SELECT,INSERT"}} for user in users]
        variables = {"mysql_tuning_install": True, "mysql_tuning_users": wanted}
        inventory = write_inventory(tmp_path, HOST, app, groups=("app", "proxy", "mysql"), variables=variables)
        run_playbook("deploy", inventory).assert_ok()

    table = "CREATE DATABASE IF NOT EXISTS visits; CREATE OR REPLACE TABLE visits.visits (at DATETIME NOT NULL)"
    deploy("one")
    podman_exec(HOST, "mariadb", "-e", table)
    with Traffic(f"http://{address(HOST)}", host=DOMAIN, clients=4, rate=10, max_seconds=900) as traffic:
        traffic.wait(2)
        deploy("one", "two")
        podman_exec(HOST, "mariadb", "-e", "DROP USER one@localhost")
        traffic.wait(2)
    report = traffic.report()
    report.assert_clean(minimum_requests=50)
    count = podman_exec(HOST, "mariadb", "--skip-column-names", "-e", "SELECT COUNT(*) FROM visits.visits").stdout
    assert int(count) >= report.requests
    podman_exec(HOST, "sh", "-c", "systemctl disable --now demo.service 'demo@*'; mariadb -e 'DROP DATABASE visits'")
