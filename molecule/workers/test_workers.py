# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every worker class answers under its hardened unit, whatever kind of source its code came from."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requests
import urllib3
from support.playbooks import address, podman_exec, serving
from support.traffic import Traffic

# Host, app, domain, module of gunicorn's worker class.
APPS = [
    ("workers", "by_path", "path.example.test", "gevent"),
    ("workers", "by_git", "git.example.test", "gthread"),
    ("workers", "by_archive", "archive.example.test", "sync"),
    ("workers", "by_wheel", "wheel.example.test", "sync"),
    ("workers", "by_lock", "lock.example.test", "uvicorn_worker"),
    ("bookworm", "demo", "demo.example.test", "asgi"),
    ("bookworm", "by_index", "index.example.test", "gthread"),
]
ECHOING = [app for app in APPS if app[1] in ("by_path", "by_git", "by_archive", "demo")]
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
by_app = pytest.mark.parametrize(
    ("host", "app", "domain", "worker"), APPS, ids=[app for _unused, app, _unused, _unused in APPS]
)


def ask(host: str, domain: str, path: str = "/") -> requests.Response:
    return requests.get(f"http://{address(host)}{path}", headers={"Host": domain}, timeout=10)


def url_of(host: str) -> str:
    return f"https://{address(host)}" if host == "bookworm" else f"http://{address(host)}"


def released(host: str, app: str) -> str:
    live = serving(host, app).live
    assert live is not None
    return live


@by_app
def test_gunicorn_runs_the_worker_class(host: str, app: str, domain: str, worker: str) -> None:
    config = podman_exec(host, "cat", f"/srv/{app}/current/etc/gunicorn.conf.py").stdout
    assert re.search(rf'^worker_class = "{worker}', config, re.MULTILINE)
    journal = podman_exec(host, "journalctl", "--unit", f"{app}@{released(host, app)}", "--output=cat").stdout
    assert re.search(rf"Using worker: \S*{worker}", journal), journal[-2000:]


@by_app
def test_the_unit_is_hardened_and_did_not_restart(host: str, app: str, domain: str, worker: str) -> None:
    unit = f"{app}@{released(host, app)}.service"
    shown = podman_exec(
        host, "systemctl", "show", unit, "-p", "NRestarts,MemoryDenyWriteExecute,SystemCallFilter"
    ).stdout
    assert "NRestarts=0" in shown and "MemoryDenyWriteExecute=yes" in shown and "SystemCallFilter=" in shown
    said = podman_exec(host, "systemd-analyze", "security", "--no-pager", unit).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found is not None and float(found[1]) <= 1.5, said


@pytest.mark.parametrize(
    ("host", "app", "domain", "worker"), ECHOING, ids=[app for _unused, app, _unused, _unused in ECHOING]
)
def test_it_answers_rightly_under_load(host: str, app: str, domain: str, worker: str) -> None:
    with Traffic(
        url_of(host), host=domain, clients=4, streams=1, rate=50, stream_seconds=2, tls_verify=False
    ) as traffic:
        traffic.wait(5)
    report = traffic.report()
    report.assert_clean(minimum_requests=50, minimum_streams=1)
    assert report.releases == [released(host, app)]


@pytest.mark.parametrize(
    ("host", "app", "domain", "worker"), ECHOING, ids=[app for _unused, app, _unused, _unused in ECHOING]
)
def test_the_journal_has_failed_requests_and_others_where_all_are_wanted(
    host: str, app: str, domain: str, worker: str
) -> None:
    def ask_for(method: str, path: str, **options: Any) -> int:
        url = f"{url_of(host)}{path}?token=canary"
        return requests.request(method, url, headers={"Host": domain}, verify=False, timeout=10, **options).status_code

    # No parser goes that deep.
    assert (ask_for("POST", "/echo", data="[" * 100_000), ask_for("GET", "/nowhere")) == (500, 404)
    podman_exec(host, "journalctl", "--sync")
    journal = podman_exec(host, "journalctl", "--unit", f"{app}@{released(host, app)}", "--output=cat").stdout
    lines = [json.loads(line) for line in journal.splitlines() if '"gunicorn.access"' in line]
    logged = {(line["path"], str(line["status"])) for line in lines}
    assert ("/echo", "500") in logged
    # The host's gunicorn_app_access_log is "all".
    assert (("/nowhere", "404") in logged) == (host == "workers")
    assert "canary" not in journal
    nginx = podman_exec(host, "cat", "/var/log/nginx/access.log").stdout
    assert '"path":"/nowhere","status":404' in nginx and "canary" not in nginx


def test_the_journal_has_requests_of_uvicorn_without_their_query() -> None:
    assert ask("workers", "lock.example.test", "/?token=canary").status_code == 200
    podman_exec("workers", "journalctl", "--sync")
    journal = podman_exec("workers", "journalctl", "--unit", "by_lock@*", "--output=cat").stdout
    lines = [json.loads(line) for line in journal.splitlines() if '"uvicorn.access"' in line]
    assert ("GET", "/", 200) in {(line["method"], line["path"], line["status"]) for line in lines}
    assert "canary" not in journal


@pytest.mark.parametrize(
    ("app", "domain"), [(app, domain) for host, app, domain, _unused in ECHOING if host == "workers"]
)
def test_each_domain_leads_to_its_app(app: str, domain: str) -> None:
    assert ask("workers", domain).json()["release"] == released("workers", app)


def test_git_gives_the_tag_and_not_the_branch() -> None:
    (entry,) = releases("workers", "by_git")
    assert "v1" in entry["source_label"]


def test_the_wheel_is_what_was_installed() -> None:
    assert ask("workers", "wheel.example.test").json() == {
        "version": "1.0.0",
        "release": released("workers", "by_wheel"),
    }


def test_the_lock_file_decides_over_the_newest() -> None:
    assert ask("workers", "lock.example.test").json()["starlette"] == "0.40.0"


def test_pip_built_where_it_was_asked_for() -> None:
    def has_pip(app: str) -> bool:
        return (
            podman_exec(
                "workers", f"/srv/{app}/current/venv/bin/python", "-m", "pip", "--version", check=False
            ).returncode
            == 0
        )

    assert has_pip("by_archive") and not has_pip("by_path")


def test_the_package_of_an_index_answers() -> None:
    answer = ask("bookworm", "index.example.test")
    assert (answer.status_code, "Not found: &#039;/&#039;" in answer.text) == (404, True)


def test_the_older_debian_is_one() -> None:
    versions = "cat /etc/debian_version; systemctl --version; nginx -v 2>&1; /srv/demo/current/venv/bin/python -V"
    found = podman_exec("bookworm", "sh", "-c", versions).stdout
    assert found.startswith("12.") and "systemd 252" in found and "nginx/1.22" in found and "Python 3.11" in found


def test_http2_with_the_older_nginx() -> None:
    url, connect = "https://demo.example.test/health", "::127.0.0.1:443"
    curl = ["curl", "--silent", "--insecure", "--http2", "--connect-to", connect, "--write-out", "%{http_version}", url]
    assert podman_exec("bookworm", *curl).stdout.endswith("}2")


def releases(host: str, app: str) -> list[dict[str, Any]]:
    """Return what the releases of an app say of themselves."""
    files = podman_exec(host, "sh", "-c", f"cat /srv/{app}/releases/*/release.json").stdout
    decoder, found = json.JSONDecoder(), []
    while files := files.strip():
        entry, end = decoder.raw_decode(files)
        found.append(entry)
        files = files[end:]
    return found
