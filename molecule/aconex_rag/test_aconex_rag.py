# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document search: warm from the first request on, limited as its guide says, watched by whoever has the token."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from support.app_traffic import Answer, AppTraffic, Ask, percentile
from support.examples import APPS, app_variant, write_example
from support.playbooks import address, container, podman_exec, run_playbook, serving

HOST, APP = "aconex", "aconex_rag"
DOMAIN = "aconex.example.com"
SECRETS = {
    "ACONEX_LLM_API_KEY": "model0123456789",
    "ACONEX_METRICS_TOKEN": "metrics0123456789",
    "ACONEX_DATABASE_PASSWORD": "appapp0123456789",
    "ACONEX_OWNER_PASSWORD": "ownerowner0123456789",
}
MODEL = "http://127.0.0.1:8900"
QUERIES = ("plano de cimentación", "contrato del proveedor", "ensayo de calidad", "válvula de bombeo", "norma de viga")
FIRST, CLIENTS, RATE = 100, 6, 8.0
#: What one request more or less may take on a machine that does other things as well (ms).
NOISE_MS = 30.0
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def ask(client: str, number: int) -> Ask:
    """Search for something that was not asked for before, so that its vector has to be computed."""
    body = {"query": f"{QUERIES[number % len(QUERIES)]} {client} {number}", "top_k": 5}
    return Ask("POST", "/search", body, judge=lambda answer: None if len(answer.json()["results"]) == 5 else "not 5")


def traffic() -> AppTraffic:
    options = {"host": DOMAIN, "tls_verify": False, "clients": CLIENTS, "rate": RATE, "max_seconds": 600.0}
    return AppTraffic(f"https://{address(HOST)}", ask, **options)


def call(method: str, path: str, **options: Any) -> requests.Response:
    headers = {"Host": DOMAIN, **options.pop("headers", {})}
    url = f"https://{address(HOST)}{path}"
    return requests.request(method, url, headers=headers, verify=False, timeout=40, **options)


def model(**settings: float) -> None:
    """Tell the stand-in for the language model how to behave."""
    podman_exec(HOST, "curl", "-sf", f"{MODEL}/control", "-d", json.dumps(settings))


def psql(query: str) -> str:
    return podman_exec(HOST, "runuser", "-u", "postgres", "--", "psql", "-qAtc", query).stdout.strip()


def inventory_of(directory: Path, version: str = "", limits: bool = True, warm: bool = True) -> Path:
    def change(variables: dict[str, Any]) -> None:
        (app,) = variables["webstack_apps"]
        app["environment"]["LLM_URL"] = f"{MODEL}/v1"
        app["migrate"].append("python -m aconex_rag.seed 3000")
        # nginx promises HTTPS for a year only where the certificate is a real one.
        del app["checks"][-1]["expect_headers"]["Strict-Transport-Security"]
        if version:
            edits = {"aconex_rag/version.py": [("1.0.0", version)]}
            app["source"] = {"path": str(app_variant(APP, directory / "source", edits=edits))}
        if not limits:
            app["rate_limits"] = []
        if not warm:
            app["warmup"] = []

    return write_example(directory / "inventory", APP, change)


@pytest.fixture(scope="module", autouse=True)
def secrets() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def stub(secrets: None) -> None:
    """The language model: on the host itself, quick, with a key."""
    source = APPS / "llm_stub" / "llm_stub.py"
    subprocess.run(["podman", "cp", str(source), f"{container(HOST)}:/opt/llm_stub.py"], check=True)
    podman_exec(HOST, "systemctl", "stop", "llm-stub", check=False)
    key = f"--setenv=LLM_STUB_KEY={SECRETS['ACONEX_LLM_API_KEY']}"
    options = ["--first-token-seconds", "0.05", "--tokens-per-second", "5000"]
    podman_exec(
        HOST, "systemd-run", "--quiet", "--collect", "--unit=llm-stub", key, "python3", "/opt/llm_stub.py", *options
    )


@pytest.fixture(scope="module")
def deployed(stub: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inventory as users copy it."""
    inventory = inventory_of(tmp_path_factory.mktemp("example"))
    run_playbook("deploy", inventory).assert_ok()
    return inventory


def first_and_before(answers: list[Answer], release: str) -> tuple[float, float]:
    """Return the p99 (ms) of a release's first answers, and of as many of the seconds before it as there are."""
    ordered = sorted(answers, key=lambda answer: answer.second)
    first = [answer.milliseconds for answer in ordered if answer.release == release][:FIRST]
    switched = next(answer.second for answer in ordered if answer.release == release)
    before = [one.milliseconds for one in ordered if switched - 15 < one.second < switched and one.release != release]
    assert len(first) == FIRST and len(before) > FIRST
    return percentile(first, 0.99), percentile(before, 0.99)


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_the_first_requests_of_a_release_are_as_fast_as_others(deployed: Path, tmp_path: Path, warm: bool) -> None:
    """Against the release before, in the same seconds; without a warm-up the same measure shows the outlier."""
    run_playbook("deploy", inventory_of(tmp_path / "one", "1.1.0", limits=False)).assert_ok()
    with traffic() as users:
        users.wait(3)
        run_playbook("deploy", inventory_of(tmp_path / "two", "1.2.0", limits=False, warm=warm)).assert_ok()
        users.wait(6)
    users.report().assert_clean(minimum_requests=2 * FIRST)
    release = serving(HOST, APP).current
    assert release is not None
    first, before = first_and_before(users.answers, release)
    print(f"warm={warm}: p99 of the first {FIRST} answers {first:.1f} ms, of those before {before:.1f} ms")
    assert (first <= 2 * before + NOISE_MS) == warm


def test_connections_are_kept_and_within_the_plan(deployed: Path, tmp_path: Path) -> None:
    run_playbook("deploy", inventory_of(tmp_path, limits=False)).assert_ok()
    release = serving(HOST, APP).current
    config = podman_exec(HOST, "cat", f"/srv/{APP}/releases/{release}/etc/gunicorn.conf.py").stdout
    environment = podman_exec(HOST, "cat", f"/srv/{APP}/releases/{release}/etc/environment").stdout
    workers = int(re.findall(r"^workers = (\d+)$", config, re.MULTILINE)[0])
    each = sum(int(size) for size in re.findall(r"^DATABASE_POOL_\w+=\"?(\d+)", environment, re.MULTILINE))
    opened = f"SELECT sessions FROM pg_stat_database WHERE datname = '{APP}'"
    before = int(psql(opened))
    with traffic() as users:
        users.wait(5)
        connected = int(psql(f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{APP}'"))
    requests_made = users.report().requests
    assert 0 < connected <= 2 * workers * each < int(psql("SHOW max_connections"))
    assert int(psql(opened)) - before < 0.1 * requests_made


def test_workers_add_up_their_metrics(deployed: Path) -> None:
    token = {"Authorization": f"Bearer {SECRETS['ACONEX_METRICS_TOKEN']}"}

    def searched() -> float:
        text = call("GET", "/metrics", headers=token).text
        found = re.findall(r'^aconex_rag_requests_total{endpoint="/search",status="200"} (\S+)$', text, re.MULTILINE)
        return float(found[0]) if found else 0.0

    call("POST", "/search", json={"query": "plano"})
    before = {searched() for __ in range(8)}
    for __ in range(20):
        assert call("POST", "/search", json={"query": "plano"}).status_code == 200
    after = {searched() for __ in range(8)}
    assert len(before) == len(after) == 1, "workers tell different numbers"
    assert after.pop() - before.pop() == 20
    assert call("GET", "/metrics").status_code == 404


def test_a_question_is_answered_from_the_documents_and_remembered(deployed: Path) -> None:
    words = "zanahoria berenjena calabaza"
    files = {"file": ("huerta.txt", f"La huerta tiene {words} y nada más")}
    assert call("POST", "/upload", files=files, data={"project_id": "huerta"}).status_code == 201
    asked = {"message": f"¿dónde hay {words}?", "conversation_id": "c1", "project_id": "huerta"}
    answer = call("POST", "/chat", json=asked)
    assert answer.status_code == 200 and words in answer.json()["answer"]
    assert [one["role"] for one in call("GET", "/history/c1").json()["messages"]] == ["user", "assistant"]
    model(fail=503, fail_next=1)
    assert call("POST", "/chat", json=asked).status_code == 502
    assert len(call("GET", "/history/c1").json()["messages"]) == 2
    journal = podman_exec(HOST, "journalctl", "-t", APP, "-o", "cat", "-n", "300").stdout
    assert "zanahoria" not in journal, "what users ask for is in the log"
    lines = [json.loads(line) for line in journal.splitlines() if '"request_id"' in line]
    chat = [line for line in lines if line["endpoint"] == "/chat"]
    assert chat and all(line["duration_ms"] > 0 and len(line["request_id"]) == 32 for line in chat)


def test_the_guides_limits_hold(deployed: Path, tmp_path: Path) -> None:
    run_playbook("deploy", inventory_of(tmp_path)).assert_ok()
    psql_delete = "DELETE FROM {} WHERE document_id IN (SELECT id FROM documents WHERE client <> 'seed')"
    for statement in (psql_delete.format("passages"), "DELETE FROM documents WHERE client <> 'seed'"):
        podman_exec(HOST, "runuser", "-u", "postgres", "--", "psql", "-qAt", "-d", APP, "-c", statement)
    time.sleep(1)
    chat = {"message": "hola", "conversation_id": "c2"}
    for path, body, limit in (("/search", {"query": "plano"}, 100), ("/chat", chat, 30)):
        with requests.Session() as session:
            session.headers["Host"] = DOMAIN
            url, started = f"https://{address(HOST)}{path}", time.monotonic()
            answers = Counter(
                session.post(url, json=body, verify=False, timeout=40).status_code for __ in range(limit + 30)
            )
            seconds = time.monotonic() - started
        # Meanwhile the limit lets in some more; the test before this one may have used up a few.
        assert limit - 25 <= answers[200] <= limit + seconds * limit / 60 + 1, (path, answers, seconds)
        assert set(answers) == {200, 429}
    form: dict[str, Any] = {"files": {"file": ("a.txt", "texto")}, "data": {"project_id": "p"}}
    assert [call("POST", "/upload", **form).status_code for __ in range(12)] == [201] * 10 + [429] * 2


def test_all_is_verified(deployed: Path, tmp_path: Path) -> None:
    run_playbook("verify", inventory_of(tmp_path)).assert_ok()
