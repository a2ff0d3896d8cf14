# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three app hosts behind one proxy: users notice neither a release nor the loss of a host.

The inventory is the one that users copy. Only the hosts, the model's address, the certificate and the source differ:
a repository with three versions, of which the last one does not answer chats as it should.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from support.examples import write_example
from support.llm import llm_url, start_llm, tell_llm
from support.playbooks import CHECKOUT, address, container, podman_exec, run_playbook, serving
from support.traffic import Exchange, Traffic

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")

APP, DOMAIN = "orquestador", "api.example.com"
APP_HOSTS, EDGE, MEMORY = ("orq1", "orq2", "orq3"), "orqedge", "orqredis"
KEY, PASSWORD = f"sk-test-{secrets.token_hex(16)}", secrets.token_hex(24)
BREAKER_FAILURES, BREAKER_SECONDS = 5, 3
BOT = {"nombre_bot": "Test", "id_empresa": 1, "rol_bot": "test", "tipo_bot": "test", "objetivo_principal": "probar"}
BROKEN_REPLY = ('return {"reply": reply,', 'return {"answer": reply,')


def ask(method: str, path: str, **options: Any) -> requests.Response:
    """Ask the proxy, as users do."""
    headers = {"Host": DOMAIN, **options.pop("headers", {})}
    return requests.request(
        method, f"https://{address(EDGE)}{path}", headers=headers, verify=False, timeout=30, **options
    )


def say(message: str, session: str) -> requests.Response:
    return ask("POST", "/api/agent/chat", json={"message": message, "session_id": session, "config": BOT})


def _no_reply(message: Mapping[str, Any], answer: Mapping[str, Any]) -> str | None:
    right = f"You said: {message['message']} --" in answer.get("reply", "")
    return None if right else f"no reply to {message['message']}"


CHATS = Exchange(
    "/api/agent/chat",
    lambda client, number: {"message": f"number {number}", "session_id": client.replace(" ", "-"), "config": BOT},
    _no_reply,
)
"""Slow, and few: the limit of 10 a second holds for them."""
CLEARS = Exchange(
    "/memory/clear/nobody",
    lambda _client, _number: {},
    lambda _message, answer: None if answer.get("cleared") is False else "not an answer to it",
)
"""Quick, and many; they use Redis as well."""


def traffic(exchange: Exchange, clients: int, rate: float) -> Traffic:
    url = f"https://{address(EDGE)}"
    return Traffic(url, host=DOMAIN, clients=clients, rate=rate, exchange=exchange, tls_verify=False)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the app with the tags v0.1.0, v0.2.0 and v0.3.0."""
    folder = tmp_path_factory.mktemp("source") / "repository"
    shutil.copytree(CHECKOUT / "tests" / "apps" / APP, folder, ignore=shutil.ignore_patterns("__pycache__"))
    git = ["git", "-C", str(folder), "-c", "user.name=test", "-c", "user.email=test@example.test"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for version in ("0.1.0", "0.2.0", "0.3.0"):
        (folder / APP / "version.py").write_text(f'VERSION = "{version}"\n', encoding="utf-8")
        if version == "0.3.0":
            main = folder / APP / "main.py"
            text = main.read_text(encoding="utf-8")
            assert BROKEN_REPLY[0] in text
            main.write_text(text.replace(*BROKEN_REPLY), encoding="utf-8")
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", version], check=True)
        subprocess.run([*git, "tag", f"v{version}"], check=True)
    return folder


@pytest.fixture(scope="module")
def inventories(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """An inventory for each version; the secrets are where the example's lookups find them."""
    hosts = {"app1": "orq1", "app2": "orq2", "app3": "orq3", "edge": EDGE, "memory": MEMORY}

    def change(variables: dict[str, Any], version: str) -> None:
        app = variables["webstack_apps"][0]
        app["source"] = {"git": {"repo": f"file://{repository}", "version": f"v{version}"}}
        app["environment"]["LLM_URL"] = llm_url(MEMORY)
        app["environment"]["MCP_CIRCUIT_BREAKER_RESET_TIMEOUT"] = str(BREAKER_SECONDS)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        patch.setenv("ORQUESTADOR_REDIS_PASSWORD", PASSWORD)
        yield {
            version: write_example(tmp_path_factory.mktemp(version), APP, partial(change, version=version), hosts)
            for version in ("0.1.0", "0.2.0", "0.3.0")
        }


@pytest.fixture(scope="module", autouse=True)
def in_service(inventories: dict[str, Path]) -> None:
    """Version 0.1.0 is live on all three hosts."""
    start_llm(MEMORY, KEY)
    run_playbook("deploy", inventories["0.1.0"]).assert_ok()


def wait_until(true: Any, seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.3)


def served_by() -> set[str]:
    """Return the hosts that answer a dozen requests."""
    return {ask("GET", "/").headers["X-Served-By"] for _unused in range(12)}


def history(host: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in podman_exec(host, "cat", f"/srv/{APP}/history.jsonl").stdout.splitlines()]


def app_log(host: str) -> list[dict[str, Any]]:
    """Return what the app itself has logged on a host."""
    lines = podman_exec(host, "journalctl", "--output=cat", "--no-pager", "-t", APP).stdout.splitlines()
    return [
        line for line in map(json.loads, filter(lambda text: text.startswith("{"), lines)) if "extra_fields" in line
    ]


def test_a_second_deploy_changes_nothing(inventories: dict[str, Path]) -> None:
    recap = run_playbook("deploy", inventories["0.1.0"]).assert_ok().recap
    assert {counts["changed"] for counts in recap.values()} == {0}, recap


def test_the_guides_checks_hold_and_are_no_formality(inventories: dict[str, Path]) -> None:
    assert served_by() == set(APP_HOSTS)
    run_playbook("verify", inventories["0.1.0"]).assert_ok()
    tell_llm(MEMORY, fail=500)
    try:
        run_playbook("verify", inventories["0.1.0"]).assert_failed("chat", "502")
    finally:
        tell_llm(MEMORY, fail=0)


def test_a_release_goes_round_host_by_host_and_back_by_its_name_without_a_lost_request(
    inventories: dict[str, Path],
) -> None:
    with traffic(CLEARS, 6, 20) as clears, traffic(CHATS, 4, 2) as chats:
        run_playbook("deploy", inventories["0.2.0"]).assert_ok()
        assert {ask("GET", "/").json()["version"] for _unused in range(12)} == {"0.2.0"}
        clears.wait(2)
        run_playbook("rollback", inventories["0.2.0"], {"to": "v0.1.0"}).assert_ok()
        clears.wait(3)
    print(clears.report(), chats.report(), sep="\n")
    clears.report().assert_clean(minimum_requests=1000)
    chats.report().assert_clean(minimum_requests=50)
    assert clears.report().versions == ["0.1.0", "0.2.0", "0.1.0"]
    assert {ask("GET", "/").json()["version"] for _unused in range(12)} == {"0.1.0"}
    spans = [
        (
            min(event["time"] for event in events[-3:] if event["what"] == "built"),
            max(event["time"] for event in events if event["what"] == "deploy"),
        )
        for events in map(history, APP_HOSTS)
    ]
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:])), f"not one after the other: {spans}"


def test_the_first_host_that_fails_keeps_a_release_from_the_others(inventories: dict[str, Path]) -> None:
    before = {host: serving(host, APP) for host in APP_HOSTS}
    run_playbook("deploy", inventories["0.3.0"]).assert_failed("chat", "reply")
    assert {host: serving(host, APP).live for host in APP_HOSTS} == {host: found.live for host, found in before.items()}
    assert [history(host)[-1]["what"] for host in APP_HOSTS] == ["failed", "rollback", "rollback"]
    assert "reply" in say("Hola", "after").json()


def test_the_app_knows_the_client_and_the_scheme_and_its_log_nothing_private() -> None:
    with socket.create_connection((address(EDGE), 443)) as connection:
        own = connection.getsockname()[0]
    secret_words = f"palabras {secrets.token_hex(8)}"
    body = {"message": secret_words, "session_id": "private", "config": BOT}
    answer = ask("POST", "/api/agent/chat", json=body, headers={"X-Forwarded-For": "203.0.113.9"})
    line = next(
        line
        for line in reversed(app_log(answer.headers["X-Served-By"]))
        if line["extra_fields"].get("session_id") == "private"
    )
    assert line["message"] == "POST /api/agent/chat"
    assert (line["extra_fields"]["client"], line["extra_fields"]["scheme"]) == (own, "https")
    for host in (*APP_HOSTS, EDGE):
        assert secret_words not in podman_exec(host, "journalctl", "--no-pager", "--all", "--output=export").stdout


def test_logs_are_json() -> None:
    """The app's lines and gunicorn's in the journal, and nginx's; the app's have what the guide's have."""
    ask("GET", "/health?token=hidden-in-the-query")
    lines = 0
    for host in APP_HOSTS:
        for text in podman_exec(host, "journalctl", "--output=cat", "--no-pager", "-t", APP).stdout.splitlines():
            assert json.loads(text)["level"], text
            lines += 1
    assert lines > 20
    for line in [line for host in APP_HOSTS for line in app_log(host)]:
        assert {"timestamp", "level", "logger", "message", "extra_fields"} <= set(line)
    for host in (*APP_HOSTS, EDGE):
        text = podman_exec(host, "cat", "/var/log/nginx/access.log").stdout
        assert "hidden-in-the-query" not in text
        assert [line["status"] for line in map(json.loads, text.splitlines())].count(200) > 20


def test_pages_of_others_may_not_ask() -> None:
    for origin, allowed in (
        ("https://app.example.com", True),
        ("https://admin.example.com", True),
        ("https://app.example.com.elsewhere.example", False),
    ):
        answer = ask("GET", "/health", headers={"Origin": origin})
        assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
        for method in ("POST", "DELETE"):
            headers = {"Origin": origin, "Access-Control-Request-Method": method}
            answer = ask("OPTIONS", "/api/agent/chat", headers=headers)
            assert answer.ok == (allowed and method == "POST"), (origin, method, answer.text)


def test_requests_beyond_the_limit_are_refused_and_others_are_not() -> None:
    time.sleep(3)  # what was asked before has been forgotten
    url = f"https://{address(EDGE)}"

    def several(count: int) -> list[int]:
        with requests.Session() as session:
            session.headers["Host"] = DOMAIN
            return [
                session.get(f"{url}/api/agent/chat", verify=False, timeout=9).status_code for _unused in range(count)
            ]

    started = time.monotonic()
    # Many at a time: on a machine that does other things as well one would be slower than the limit.
    with ThreadPoolExecutor(8) as pool:
        statuses = [status for some in pool.map(several, [15] * 8) for status in some]
    seconds = time.monotonic() - started
    beside = ask("GET", "/config").status_code
    assert set(statuses) == {405, 429}
    assert 21 <= statuses.count(405) <= 21 + 10 * seconds + 1
    assert beside == 200


def test_secrets_are_for_root_alone_and_in_no_log() -> None:
    for host in (*APP_HOSTS, EDGE):
        for secret in (KEY, PASSWORD):
            exclude = ["--exclude-dir=proc", "--exclude-dir=sys", "--exclude-dir=dev"]
            found = podman_exec(
                host, "grep", "-rlaF", "--devices=skip", *exclude, secret, "/", check=False
            ).stdout.split()
            assert bool(found) == (host in APP_HOSTS)
            for path in found:
                assert fnmatch(path, f"/srv/{APP}/releases/*/etc/environment"), path
                assert podman_exec(host, "stat", "-c", "%a %U", path).stdout.strip() == "600 root"
            journal = podman_exec(host, "journalctl", "--no-pager", "--all", "--output=export").stdout
            assert len(journal) > 1000 and secret not in journal
    assert KEY not in ask("GET", "/config").text + ask("GET", "/metrics").text


def test_a_model_that_fails_is_left_alone_by_all_hosts() -> None:
    def state() -> str:
        found: str = ask("GET", "/metrics").json()["circuit_breakers"]["llm"]["state"]
        return found

    tell_llm(MEMORY, fail=503)
    try:
        statuses = [say("x", "breaker").status_code for _unused in range(BREAKER_FAILURES)]
        assert statuses == [502] * BREAKER_FAILURES
        seen = tell_llm(MEMORY)["seen"]["requests"]
        refused = [say("x", "breaker") for _unused in range(6)]
        assert {answer.status_code for answer in refused} == {503}
        assert {answer.headers["X-Served-By"] for answer in refused} == set(APP_HOSTS)
        assert all(1 <= int(answer.headers["Retry-After"]) <= BREAKER_SECONDS for answer in refused)
        assert tell_llm(MEMORY)["seen"]["requests"] == seen
        assert state() == "open"
        assert 'orquestador_circuit_open{circuit="llm"} 1' in ask("GET", "/metrics/prometheus").text.splitlines()
    finally:
        tell_llm(MEMORY, fail=0)
    wait_until(lambda: state() == "half_open", BREAKER_SECONDS + 5, "the circuit lets one request try")
    assert say("x", "breaker").status_code == 200
    assert state() == "closed"
    assert 'orquestador_circuit_open{circuit="llm"} 0' in ask("GET", "/metrics/prometheus").text.splitlines()


def test_conversations_come_back_from_a_backup(inventories: dict[str, Path]) -> None:
    assert say("uno", "kept").json()["messages"] == 2
    run_playbook("backup", inventories["0.1.0"]).assert_ok()
    assert ask("POST", "/memory/clear/kept").json() == {"cleared": True}
    run_playbook("restore", inventories["0.1.0"], {"redis_restore": "latest"}).assert_ok()
    wait_until(lambda: ask("GET", "/health").status_code == 200, 20, "the app has found Redis again")
    assert say("dos", "kept").json()["messages"] == 4


def test_what_a_host_has_lost_comes_back_from_the_inventory(inventories: dict[str, Path]) -> None:
    """The inventory is the backup of all configuration; here a host loses all of it, as a new one would not have it."""
    lost = APP_HOSTS[0]
    files = ["etc/environment", "etc/gunicorn.conf.py"]
    kept = f"/srv/{APP}/current"

    def configuration() -> list[str]:
        own = re.compile(r"^WEBSTACK_RELEASE=.*$|/srv/\S+|/run/\S+", re.MULTILINE)  # they name the release
        texts = [podman_exec(lost, "cat", f"{kept}/{name}").stdout for name in files]
        return [*(own.sub("", text) for text in texts), podman_exec(lost, "cat", "/etc/nginx/nginx.conf").stdout]

    before = configuration()
    assert KEY in before[0] and "workers = " in before[1]
    units = f"/etc/systemd/system/{APP}*"
    wipe = f"systemctl stop nginx '{APP}*'; rm -rf /srv/{APP} {units} /etc/nginx/nginx.conf; systemctl daemon-reload"
    podman_exec(lost, "sh", "-c", wipe)
    # The others serve meanwhile.
    assert all(ask("GET", "/health").status_code == 200 for _unused in range(6))
    run_playbook("deploy", inventories["0.1.0"]).assert_ok()
    assert configuration() == before
    assert podman_exec(lost, "stat", "-c", "%a %U", f"{kept}/{files[0]}").stdout.split() == ["600", "root"]
    wait_until(lambda: served_by() == set(APP_HOSTS), 20, "all three hosts serve")


def test_a_conversation_goes_on_when_its_host_is_lost_under_load() -> None:
    first = say("me llamo Ana", "goes-on")
    lost = first.headers["X-Served-By"]
    with traffic(CLEARS, 6, 20) as clears:
        clears.wait(2)
        before = clears.report().seconds
        subprocess.run(["podman", "stop", "--time", "0", container(lost)], check=True, capture_output=True)
        after = clears.report().seconds
        clears.wait(12)
        second = say("me recuerdas?", "goes-on")
    report = clears.report()
    print(report)
    # What was under way on the lost host is lost with it: at most one request of each client.
    assert report.failed <= 6
    assert all(before <= failure.second <= after + 1 for failure in report.failures), report.failures
    assert report.requests > 500
    assert second.headers["X-Served-By"] != lost
    assert second.json()["messages"] == 4
    assert re.search("message 4 of our conversation", second.json()["reply"])

    subprocess.run(["podman", "start", container(lost)], check=True, capture_output=True)
    # Not asked through the proxy: a test host comes back with another address, which real ones do not.
    ask_itself = ["curl", "-fsS", "-H", f"Host: {DOMAIN}", "http://localhost/health"]
    wait_until(
        lambda: podman_exec(lost, *ask_itself, check=False).returncode == 0, 60, f"{lost} serves again by itself"
    )
