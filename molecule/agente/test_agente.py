# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent as its guide wants it, from the inventory that users copy: what must be seen before going live.

Planned from a description of an Orange Pi 5 Plus (``plan_root``): 8 cores of two kinds and 16 GB, which the container
does not have. Everything that runs is real, on this machine's own processor; the model alone is a stand-in. Nothing in
the inventory is changed but the model's address, the certificate (self-signed) and the wait for a silent model.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from support.app_traffic import Answer, AppTraffic, Ask
from support.boards import orange_pi
from support.examples import app_variant, write_example
from support.llm import llm_url, start_llm, tell_llm
from support.playbooks import SETTLE_SECONDS, address, container, podman_exec, reboot, run_playbook, serving
from support.traffic import Report

HOST, MODEL, APP = "agente", "agentellm", "agente"
DOMAIN = "agente.example.com"
WORKERS = 4
KEY = f"sk-test-{secrets.token_hex(16)}"
SECRETS = {
    "AGENTE_LLM_API_KEY": KEY,
    "AGENTE_DATABASE_PASSWORD": secrets.token_hex(24),
    "AGENTE_OWNER_PASSWORD": secrets.token_hex(24),
}
BOARD = "/opt/orange-pi-5-plus"
LLM_TIMEOUT = 3
#: Ten minutes say more than one: SOAK_SECONDS=600 pytest molecule/agente -k soak
SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
SSH_PORT = 2222
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def call(method: str, path: str, **options: Any) -> requests.Response:
    """Ask the site, as users do."""
    headers = {"Host": DOMAIN, **options.pop("headers", {})}
    url = f"https://{address(HOST)}{path}"
    return requests.request(method, url, headers=headers, verify=False, timeout=30, **options)


def whole_reply(answer: Answer) -> str | None:
    """Say what is wrong with a streamed reply."""
    text = answer.content.decode()
    return None if "event: done" in text and "event: error" not in text else "the stream has no proper end"


def ask(client: str, number: int) -> Ask:
    """Return what users ask for: mostly whether it is there and what it remembers, now and then a streamed reply."""
    if number % 20 == 0:
        return Ask(
            "POST", "/api/chat", {"message": f"{client} asks number {number}", "stream": True}, judge=whole_reply
        )
    if number % 10 == 0:
        return Ask("GET", "/api/memories?q=hola", judge=lambda answer: None if answer.json() else "nothing remembered")
    return Ask("GET", "/health", judge=lambda answer: None if answer.json()["status"] == "ok" else "not ok")


def traffic(clients: int = 6, rate: float = 8.0, **options: Any) -> AppTraffic:
    """Return users whose requests below /api/ stay within the limit of 10 a second."""
    common = {"host": DOMAIN, "tls_verify": False, "max_seconds": 1200.0}
    return AppTraffic(f"https://{address(HOST)}", ask, clients=clients, rate=rate, **common, **options)


def workers() -> list[int]:
    """Return the processes of the live release's workers."""
    now = serving(HOST, APP)
    main = now.processes[f"{APP}@{now.current}.service"]
    found = podman_exec(HOST, "pgrep", "-P", str(main), check=False).stdout
    return sorted(int(number) for number in found.split())


def releases() -> set[str]:
    """Return the releases that answer by now, when the last hand-over has settled."""
    time.sleep(SETTLE_SECONDS)
    return {call("GET", "/").json()["release"] for _unused in range(2 * WORKERS)}


def wait_for_workers(seconds: float, without: int = 0) -> list[int]:
    end = time.monotonic() + seconds
    while len(found := workers()) != WORKERS or without in found:
        assert time.monotonic() < end, f"after {seconds} s these workers run: {found}"
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    """The secrets, where the example's lookups find them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The description of the board, on the host."""
    tree = orange_pi(tmp_path_factory.mktemp("board") / "tree")
    podman_exec(HOST, "rm", "-rf", BOARD)
    subprocess.run(["podman", "cp", str(tree), f"{container(HOST)}:{BOARD}"], check=True, capture_output=True)


def inventory_of(directory: Path, **app: Any) -> Path:
    def change(variables: dict[str, Any]) -> None:
        entry = variables["webstack_apps"][0]
        assert "workers" not in entry, "the number of workers must be the plan's"
        entry["environment"].update(LLM_URL=llm_url(MODEL), LLM_TIMEOUT=str(LLM_TIMEOUT))
        entry.update(app)
        variables["plan_root"] = BOARD

    return write_example(directory, "orangepi", change, {"orangepi": HOST})


@pytest.fixture(scope="module")
def inventory(board: None, environment: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inventory as users copy it, in service."""
    start_llm(MODEL, KEY)
    directory = inventory_of(tmp_path_factory.mktemp("inventory"))
    run_playbook("deploy", directory).assert_ok()
    return directory


def test_four_workers_by_reason(inventory: Path) -> None:
    said = run_playbook("plan", inventory).assert_ok().said
    assert "Orange Pi 5 Plus: 8 usable CPUs, 6.00 cores' worth (part and frequency" in said
    for words in (
        f"workers {WORKERS} 6.00 cores' worth × 0.70 (nginx 5%, postgres 25% kept) × 1 per core (llm on an event loop)",
        "allowed_cpus 4-7 the workers use 4.00 cores' worth, and these Cortex-A76 are worth 4.00;",
    ):
        assert words in said, said
    assert len(workers()) == WORKERS
    shown = podman_exec(HOST, "systemctl", "show", "agente.slice", "--property=AllowedCPUs", "--value").stdout
    assert shown.strip() == "4-7"


def test_it_is_verified_and_a_second_run_changes_nothing(inventory: Path) -> None:
    run_playbook("verify", inventory).assert_ok()
    assert run_playbook("deploy", inventory).assert_ok().recap["orangepi"]["changed"] == 0


def test_what_is_remembered_is_found_by_its_meaning_and_given_to_the_model(inventory: Path) -> None:
    mark = secrets.token_hex(4)
    texts = [f"La clave del wifi {mark} es naranja", f"Ana {mark} prefiere el té verde", "El tren sale a las ocho"]
    ids = [call("POST", "/api/memories", json={"text": text}).json()["id"] for text in texts]
    nearest = call("GET", "/api/memories", params={"q": f"qué té prefiere Ana {mark}", "limit": 1}).json()
    assert [one["id"] for one in nearest] == [ids[1]]
    answer = call("POST", "/api/chat", json={"message": f"¿Qué té prefiere Ana {mark}?"}).json()
    assert ids[1] in answer["memories"]
    assert texts[1] in answer["reply"]
    query = "SELECT indexdef FROM pg_indexes WHERE indexname = 'memories_embedding'"
    psql = ["runuser", "-u", "postgres", "--", "psql", "-qAt", "-d", APP, "-c", query]
    assert "hnsw" in podman_exec(HOST, *psql).stdout


def test_words_arrive_as_the_model_says_them(inventory: Path) -> None:
    tell_llm(MODEL, tokens_per_second=10.0)
    try:
        started, seconds = time.monotonic(), []
        body = {"message": "una palabra tras otra", "stream": True}
        with call("POST", "/api/chat", json=body, stream=True) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines(chunk_size=1):
                if line.startswith(b"event: word"):
                    seconds.append(time.monotonic() - started)
    finally:
        tell_llm(MODEL, tokens_per_second=60.0)
    gaps = [later - earlier for earlier, later in zip(seconds, seconds[1:])]
    print(f"{len(seconds)} words, the first after {seconds[0]:.2f} s, the last after {seconds[-1]:.2f} s")
    assert len(gaps) > 10
    # A proxy that collected them would deliver many at one time.
    assert sum(gap > 0.05 for gap in gaps) > 0.8 * len(gaps)


def test_a_model_that_fails_fails_alone(inventory: Path) -> None:
    body = {"message": "hola"}
    try:
        tell_llm(MODEL, fail=503)
        assert call("POST", "/api/chat", json=body).status_code == 502
        assert call("POST", "/api/chat", json={**body, "stream": True}).status_code == 502
        assert call("GET", "/health").json()["status"] == "ok"
        assert call("GET", "/api/memories", params={"q": "hola"}).status_code == 200
        tell_llm(MODEL, fail=0, cut_after=3)
        stream = call("POST", "/api/chat", json={**body, "stream": True})
        assert stream.status_code == 200
        assert "event: error" in stream.text and "event: done" not in stream.text
        tell_llm(MODEL, cut_after=0, hang=True)
        started = time.monotonic()
        assert call("POST", "/api/chat", json=body).status_code == 502
        assert LLM_TIMEOUT <= time.monotonic() - started < LLM_TIMEOUT + 5
    finally:
        tell_llm(MODEL, fail=0, cut_after=0, hang=False)
    assert call("POST", "/api/chat", json=body).status_code == 200


def test_a_killed_worker_comes_back_and_the_others_go_on(inventory: Path) -> None:
    before = wait_for_workers(10)
    with traffic() as users:
        users.wait(2)
        second = users.report().seconds
        podman_exec(HOST, "kill", "-9", str(before[0]))
        after = wait_for_workers(15, without=before[0])
        users.wait(3)
    report = users.report()
    print(report)
    assert set(before[1:]) <= set(after)
    # What that worker had under way is lost with it, and nothing else.
    assert report.failed <= 6
    assert all(second <= failure.second <= second + 2 for failure in report.failures), report.failures
    assert report.requests > 150


def test_a_release_and_a_reload_lose_nothing(inventory: Path, tmp_path: Path) -> None:
    changed = app_variant(APP, tmp_path / "source", edits={"agente/version.py": [("1.0.0", "1.1.0")]})
    first = serving(HOST, APP).current
    with traffic() as users:
        run_playbook("deploy", inventory_of(tmp_path / "new", source={"path": str(changed)})).assert_ok()
        second = serving(HOST, APP).current
        assert releases() == {second}
        podman_exec(HOST, "systemctl", "reload", f"{APP}@{second}.service")
        users.wait(3)
        wait_for_workers(20)
        run_playbook("rollback", inventory).assert_ok()
        assert releases() == {first}
    print(users.report())
    users.report().assert_clean(minimum_requests=400)
    assert sum(answer.path == "/api/chat" for answer in users.answers) > 20
    assert serving(HOST, APP).current == first != second


def test_https_and_nothing_else(inventory: Path) -> None:
    plain = requests.get(f"http://{address(HOST)}/docs", headers={"Host": DOMAIN}, allow_redirects=False, timeout=10)
    assert (plain.status_code, plain.headers["location"]) == (308, f"https://{DOMAIN}/docs")
    assert call("GET", "/docs").status_code == 200
    old = ["curl", "-sk", "--tls-max", "1.1", "--resolve", f"{DOMAIN}:443:127.0.0.1", f"https://{DOMAIN}/health"]
    assert podman_exec(HOST, *old, check=False).returncode != 0


def test_requests_beyond_the_limit_are_refused_and_others_are_not(inventory: Path) -> None:
    time.sleep(3)  # what was asked before has been forgotten
    with requests.Session() as session:
        session.headers["Host"] = DOMAIN
        url = f"https://{address(HOST)}"
        started = time.monotonic()
        statuses = [session.get(f"{url}/api/chat", verify=False, timeout=10).status_code for _unused in range(60)]
        seconds = time.monotonic() - started
        beside = session.get(f"{url}/health", verify=False, timeout=10).status_code
    assert set(statuses) == {405, 429}
    assert 21 <= statuses.count(405) <= 21 + 10 * seconds + 1
    assert beside == 200


def test_the_board_serves_again_after_a_power_cut(inventory: Path) -> None:
    time.sleep(3)  # the limit has forgotten the test before
    text = f"antes del corte {secrets.token_hex(4)}"
    kept = call("POST", "/api/memories", json={"text": text}).json()["id"]
    reboot(HOST)
    end = time.monotonic() + 60
    while True:
        try:
            if call("GET", "/health").status_code == 200:
                break
        except requests.ConnectionError:
            pass
        assert time.monotonic() < end, "does not serve 60 s after it has booted"
        time.sleep(0.3)
    wait_for_workers(20)
    assert [one["id"] for one in call("GET", "/api/memories", params={"q": text, "limit": 1}).json()] == [kept]
    assert "policy drop" in podman_exec(HOST, "nft", "list", "table", "inet", "webstack").stdout


# --- the firewall, over SSH on another port than the usual one -------------------------------------------------------


def is_open(port: int, host: str = HOST) -> bool:
    try:
        socket.create_connection((address(host), port), timeout=1.5).close()
    except OSError:
        return False
    return True


def table(name: str = "webstack") -> str:
    return podman_exec(HOST, "nft", "list", "table", "inet", name, check=False).stdout


@pytest.fixture(scope="module")
def over_ssh(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same inventory, reached by SSH."""
    folder = tmp_path_factory.mktemp("ssh")
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    install = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qq", "--no-install-recommends"]
    podman_exec(HOST, *install, "openssh-server")
    public = (folder / "key.pub").read_text(encoding="utf-8")
    configure = (
        f"install -d -m 700 /root/.ssh && echo '{public.strip()}' > /root/.ssh/authorized_keys && "
        f"echo 'Port {SSH_PORT}' > /etc/ssh/sshd_config.d/port.conf && systemctl restart ssh"
    )
    podman_exec(HOST, "sh", "-c", configure)
    written = json.loads((inventory / "hosts.yml").read_text(encoding="utf-8"))
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=3"
    written["all"]["hosts"]["orangepi"].update(
        ansible_connection="ssh",
        ansible_host=address(HOST),
        ansible_port=SSH_PORT,
        ansible_user="root",
        ansible_ssh_private_key_file=str(key),
        ansible_ssh_common_args=options,
    )
    # A table of somebody else, and two services that nobody outside should reach.
    podman_exec(HOST, "nft", "add", "table", "inet", "other")
    podman_exec(HOST, "nft", "add", "chain", "inet", "other", "input", "{ type filter hook input priority 5; }")
    for port in (9000, 9001):
        unit = ["systemd-run", "--quiet", "--collect", f"--unit=listen{port}", "python3", "-m", "http.server"]
        podman_exec(HOST, "systemctl", "stop", f"listen{port}", check=False)
        podman_exec(HOST, *unit, str(port))
    (folder / "hosts.yml").write_text(json.dumps(written), encoding="utf-8")
    yield folder
    podman_exec(HOST, "nft", "delete", "table", "inet", "other", check=False)


def test_only_ssh_and_the_site_are_open(over_ssh: Path) -> None:
    # The rules so far know nothing of the port that SSH has since.
    assert not is_open(SSH_PORT)
    podman_exec(HOST, "nft", "delete", "table", "inet", "webstack")
    assert is_open(SSH_PORT) and is_open(9000) and is_open(5432) is False
    run_playbook("provision", over_ssh).assert_ok()
    assert {port: is_open(port) for port in (80, 443, SSH_PORT, 22, 5432, 9000, 9001)} == {
        80: True,
        443: True,
        SSH_PORT: True,
        22: False,
        5432: False,
        9000: False,
        9001: False,
    }
    # What the host asks of others is answered.
    podman_exec(HOST, "curl", "-sf", llm_url(MODEL).replace("/v1", "/control"))
    assert "type filter hook input" in table("other")
    run_playbook("verify", over_ssh).assert_ok()
    assert run_playbook("provision", over_ssh).assert_ok().recap["orangepi"]["changed"] == 0


def test_a_dry_run_shows_the_rules_and_loads_none(over_ssh: Path) -> None:
    before = table()
    opened = {"firewall_open": [{"port": 9000, "from": ["0.0.0.0/0"], "purpose": "a trial"}]}
    dry = run_playbook("provision", over_ssh, opened, check=True, diff=True).assert_ok()
    assert "+ ip saddr { 0.0.0.0/0 } tcp dport 9000 accept # a trial" in dry.said
    assert table() == before and not is_open(9000)
    run_playbook("provision", over_ssh, opened).assert_ok()
    assert is_open(9000) and not is_open(9001)
    refused = run_playbook("provision", over_ssh, {"firewall_open": [{"port": "http"}]})
    refused.assert_failed("open[2].port: 'http' is neither a port nor a range")
    run_playbook("provision", over_ssh).assert_ok()
    assert not is_open(9000)


def test_who_locks_himself_out_is_let_in_again(over_ssh: Path) -> None:
    before = table()
    # As soon as the new rules are there, somebody else's table refuses new logins, whatever ours says.
    refuse = f"nft add rule inet other input ip saddr {_own_address()} tcp dport {SSH_PORT} ct state new drop"
    watch = f"until nft list table inet webstack | grep -q 'dport 9000'; do sleep 0.05; done; {refuse}"
    podman_exec(HOST, "systemd-run", "--quiet", "--collect", "--unit=lockout", "sh", "-c", watch)
    opened = {"firewall_open": [{"port": 9000}], "firewall_confirm_seconds": 10}
    failed = run_playbook("provision", over_ssh, opened)
    failed.assert_failed("See that a new login is possible")
    podman_exec(HOST, "nft", "flush", "chain", "inet", "other", "input")
    end = time.monotonic() + 20
    while "dport 9000" in table():
        assert time.monotonic() < end, "the rules were not taken back"
        time.sleep(0.5)
    assert [line for line in table().splitlines() if "counter" not in line] == [
        line for line in before.splitlines() if "counter" not in line
    ]
    assert not is_open(9000) and is_open(SSH_PORT)
    assert "9000" not in podman_exec(HOST, "cat", "/etc/webstack/firewall.nft").stdout
    run_playbook("verify", over_ssh).assert_ok()


def _own_address() -> str:
    with socket.create_connection((address(HOST), 443)) as connection:
        own: str = connection.getsockname()[0]
    return own


def test_the_firewall_goes_and_leaves_no_trace(over_ssh: Path) -> None:
    run_playbook("provision", over_ssh, {"firewall_enabled": False}).assert_ok()
    assert not table() and is_open(9000)
    left = ["sh", "-c", "ls /etc/webstack/firewall.nft /etc/systemd/system/*/webstack-firewall.service"]
    assert podman_exec(HOST, *left, check=False).stdout == ""
    assert "type filter hook input" in table("other")
    run_playbook("provision", over_ssh).assert_ok()
    assert not is_open(9000)


# --- the soak, last ---------------------------------------------------------------------------------------------------


def memory_of(processes: list[int]) -> dict[int, int]:
    """Return the proportional set size of processes (KiB)."""
    code = (
        "import re, sys\n"
        "for pid in sys.argv[1:]:\n"
        "    try: text = open(f'/proc/{pid}/smaps_rollup').read()\n"
        "    except OSError: continue\n"
        "    print(pid, re.search(r'^Pss: +(\\d+)', text, re.M)[1])\n"
    )
    lines = podman_exec(HOST, "python3", "-c", code, *map(str, processes)).stdout.splitlines()
    return {int(pid): int(size) for pid, size in (line.split() for line in lines)}


def test_soak_with_flat_memory(inventory: Path) -> None:
    """Users for a minute (or SOAK_SECONDS): not one failure, and no worker that grows once it is warm."""
    samples: list[dict[int, int]] = []
    with traffic(clients=8, rate=10.0) as users:
        users.wait(SOAK_SECONDS / 6)  # warm by then
        end = time.monotonic() + SOAK_SECONDS * 5 / 6
        while time.monotonic() < end:
            samples.append(memory_of(workers()))
            users.wait(min(5.0, SOAK_SECONDS / 20))
    report: Report = users.report()
    quarter = len(samples) // 4
    first = [sum(sample.values()) for sample in samples[:quarter] if len(sample) == WORKERS]
    last = [sum(sample.values()) for sample in samples[-quarter:] if len(sample) == WORKERS]
    early, late = sorted(first)[len(first) // 2] / 1024, sorted(last)[len(last) // 2] / 1024
    seen = {pid for sample in samples for pid in sample}
    print(report)
    print(
        f"{SOAK_SECONDS:.0f} s: {early:.1f} MB -> {late:.1f} MB for {WORKERS} workers, {len(seen) - WORKERS} replaced"
    )
    report.assert_clean(minimum_requests=int(SOAK_SECONDS * 20))
    planned = re.search(r"with (\d+) MB", podman_exec(HOST, "cat", f"/etc/systemd/system/{APP}.slice").stdout)
    assert planned
    assert late <= WORKERS * int(planned[1])
    assert late <= early * 1.05 + 2 * WORKERS
