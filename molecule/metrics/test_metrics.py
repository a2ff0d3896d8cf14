# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exporters show what the live servers say, to whom it may concern, within their memory, and go without a trace."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from support.playbooks import CHECKOUT, address, container, podman_exec, run_playbook, write_inventory

HOST = "metrics"
SCENARIO = CHECKOUT / "molecule" / HOST
DOMAIN = "metered.example.test"
PORTS = {"node": 9100, "nginx": 9113, "redis": 9121, "postgres": 9187, "mysqld": 9104}
TOKEN = "canary-token-0123456789"
#: The numbers of the guides, as their inventories say them.
GUIDES = {
    "orquestador": {"AppSlow": 5, "AppErrors": 0.05, "HostMemory": 0.8, "CircuitOpen": 0},
    "aconex_rag": {"AppSlow": 0.5, "AppErrors": 0.01, "HostCpu": 0.8, "HostMemory": 0.85, "HostDisk": 0.9},
    "recomendaciones": {
        "AppSlow": 2, "AppErrors": 0.01, "AppFewRequests": 100, "HostCpu": 0.9, "HostMemory": 0.875,
        "MysqlConnections": 0.75,
    },
}  # fmt: skip


def variables(**changes: Any) -> dict[str, Any]:
    """Return the scenario's own variables, changed."""
    text = (SCENARIO / "molecule.yml").read_text(encoding="utf-8")
    everything = yaml.safe_load(text.replace("${MOLECULE_PROJECT_DIRECTORY}", str(CHECKOUT)))
    found: dict[str, Any] = everything["provisioner"]["inventory"]["group_vars"]["all"]
    return {**found, **changes}


def inventory(directory: Path, **changes: Any) -> Path:
    groups = ("app", "proxy", "redis", "postgres", "mysql")
    return write_inventory(directory, HOST, groups=groups, variables=variables(**changes))


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return inventory(tmp_path_factory.mktemp("deployed"))


def shell(command: str, check: bool = True) -> str:
    return podman_exec(HOST, "sh", "-c", command, check=check).stdout.strip()


def metrics(name: str) -> dict[str, float]:
    """Return an exporter's samples without labels, and the last of those with labels."""
    text = podman_exec(HOST, "curl", "-sf", f"http://127.0.0.1:{PORTS[name]}/metrics").stdout
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {key.partition("{")[0]: float(value) for key, value in lines}


def psql(query: str) -> str:
    return podman_exec(HOST, "runuser", "-u", "postgres", "--", "psql", "-qAtc", query).stdout.strip()


def sql(query: str) -> str:
    return podman_exec(HOST, "mariadb", "--batch", "--skip-column-names", "-e", query).stdout.strip()


def redis(*words: str) -> str:
    """Ask Redis as its administrator; the password comes from a file and so is in no argument."""
    ask = "REDISCLI_AUTH=$(cat /etc/webstack/redis-admin.password) redis-cli --user webstack --no-auth-warning "
    return shell(ask + "-s /run/redis/redis-server.sock " + " ".join(words))


def get(path: str) -> requests.Response:
    return requests.get(f"http://{address(HOST)}{path}", headers={"Host": DOMAIN}, timeout=10)


def test_values_are_the_live_servers() -> None:
    assert metrics("redis")["redis_up"] == 1
    assert metrics("redis")["redis_memory_max_bytes"] == float(redis("CONFIG", "GET", "maxmemory").split()[-1]) > 0
    assert metrics("postgres")["pg_up"] == 1
    assert metrics("postgres")["pg_settings_max_connections"] == float(psql("SHOW max_connections"))
    assert metrics("mysqld")["mysql_up"] == 1
    wanted = float(sql("SELECT @@max_connections"))
    assert metrics("mysqld")["mysql_global_variables_max_connections"] == wanted
    assert metrics("nginx")["nginx_up"] == 1
    before = metrics("nginx")["nginx_http_requests_total"]
    for __ in range(20):
        assert get("/health").status_code == 200
    assert metrics("nginx")["nginx_http_requests_total"] >= before + 20
    total = int(shell("awk '/^MemTotal/ {print $2}' /proc/meminfo"))
    assert metrics("node")["node_memory_MemTotal_bytes"] == total * 1024
    text = shell("curl -sf http://127.0.0.1:9100/metrics")
    assert 'node_systemd_service_restart_total{name="metered@' in text


def test_they_listen_for_this_host_alone() -> None:
    listening = shell("ss -Hltn")
    for port in (*PORTS.values(), 9190):
        assert re.findall(rf"(\S+):{port}\s", listening) == ["127.0.0.1"], port


def test_they_may_see_figures_and_no_data() -> None:
    powers = "rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls"
    assert psql(f"SELECT {powers} FROM pg_roles WHERE rolname = 'prometheus'") == "f"
    roles = "SELECT string_agg(roleid::regrole::text, ',') FROM pg_auth_members WHERE member = 'prometheus'::regrole"
    assert psql(roles) == "pg_monitor"
    runs = ["runuser", "-u", "prometheus", "--", "psql", "-qAtc"]
    assert podman_exec(HOST, *runs, "SELECT 1", "postgres").stdout.strip() == "1"
    for query, database in (("SELECT rolpassword FROM pg_authid", "postgres"), ("SELECT 1", "metered")):
        assert podman_exec(HOST, *runs, query, database, check=False).returncode != 0
    other = ["runuser", "-u", "www-data", "--", "psql", "-U", "prometheus", "-qAtc", "SELECT 1", "postgres"]
    assert podman_exec(HOST, *other, check=False).returncode != 0

    grants = sql("SHOW GRANTS FOR prometheus@localhost")
    assert "PROCESS" in grants and "unix_socket" in grants
    assert re.findall(r"GRANT (.*?) ON (\S+)", grants)[1:] == [("SELECT", "`performance_schema`.*")]
    runs = ["runuser", "-u", "prometheus", "--", "mariadb", "-e"]
    assert podman_exec(HOST, *runs, "SELECT 1").returncode == 0
    assert podman_exec(HOST, *runs, "SELECT * FROM mysql.user", check=False).returncode != 0

    (line,) = [one for one in redis("ACL", "LIST").splitlines() if one.startswith("user webstack_metrics ")]
    assert "~" not in line and "+@" not in line and "+config" not in line
    # It has what it needs. What others asked for it may not see, though the exporter would like to.
    refused = redis("--json", "ACL", "LOG")
    assert {one["object"] for one in json.loads(refused) if one["username"] == "webstack_metrics"} == {"slowlog|get"}


def test_they_stay_within_the_memory_that_the_plan_has_counted(deployed: Path) -> None:
    planned = run_playbook("plan", deployed).assert_ok().stdout
    line = re.search(r"metrics\s+([0-9]+)\s+the limits of its exporters", planned)
    assert line, planned
    for __ in range(5):
        for name in PORTS:
            metrics(name)
    limits = 0
    for name in PORTS:
        unit = f"prometheus-{name}-exporter.service"
        shown = dict(one.split("=") for one in shell(f"systemctl show -p MemoryMax,MemoryCurrent {unit}").split())
        process = f"/proc/$(systemctl show -p MainPID --value {unit})/status"
        peak = int(shell(f"awk '/^VmHWM/ {{print $2}}' {process}")) // 1024
        current, most = (int(shown[key]) >> 20 for key in ("MemoryCurrent", "MemoryMax"))
        print(f"{name}: {peak} MiB resident at most, {current} of {most} MiB counted")
        assert current < most
        assert podman_exec(HOST, "systemctl", "show", "-p", "NRestarts", "--value", unit).stdout.strip() == "0"
        limits += int(shown["MemoryMax"]) >> 20
    limits += int(shell("systemctl show -p MemoryMax --value webstack-app-metrics.service")) >> 20
    assert limits == int(line[1])


def test_they_are_confined() -> None:
    for name in PORTS:
        unit = f"prometheus-{name}-exporter.service"
        score = shell(f"systemd-analyze security --no-pager {unit} | tail -1")
        found = re.search(r"([0-9.]+) (OK|MEDIUM|EXPOSED)", score)
        assert found and float(found[1]) < 3.0, score
    inside = "nsenter --mount --target $(systemctl show -p MainPID --value prometheus-nginx-exporter) -- "
    listed = podman_exec(HOST, "sh", "-c", inside + "runuser -u prometheus -- ls /run/postgresql", check=False)
    assert listed.returncode != 0


def counted() -> dict[str, float]:
    """Let the apps be counted, and return what node-exporter then says of them."""
    shell("systemctl start webstack-app-metrics.service")
    text = shell("curl -sf http://127.0.0.1:9100/metrics")
    return {key: float(value) for key, value in re.findall(r"^(webstack_app_\S+) (\S+)$", text, re.MULTILINE)}


def test_requests_of_an_app_are_counted_whatever_it_is_written_with() -> None:
    before = counted()
    for path, times in (("/", 30), ("/broken", 3), ("/slow", 2), ("/chat", 1)):
        for __ in range(times):
            get(path)
    after = counted()

    def more(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert more('webstack_app_requests_total{app="metered",status="200"}') == 33
    assert more('webstack_app_requests_total{app="metered",status="500"}') == 3
    assert more('webstack_app_request_seconds_count{app="metered"}') == 35
    assert more('webstack_app_request_seconds_bucket{app="metered",le="0.5"}') == 33
    limit = after['webstack_app_memory_limit_bytes{app="metered"}']
    assert 5 << 20 < after['webstack_app_memory_bytes{app="metered"}'] < limit


# nginx gives a GET whose kept connection is closed at once to another worker, which would crash as well.
@pytest.mark.parametrize(("method", "path"), [("POST", "/crash"), ("GET", "/crash-late")])
def test_a_worker_that_crashes_is_counted_and_takes_no_other_with_it(method: str, path: str) -> None:
    name = 'webstack_app_worker_failures_total{app="metered"}'
    before, ended = counted()[name], threading.Event()

    def keep_connections() -> None:
        while not ended.wait(0.02):
            get("/health")

    users = [threading.Thread(target=keep_connections) for __ in range(4)]
    for user in users:
        user.start()
    try:
        time.sleep(1)
        lost = requests.request(method, f"http://{address(HOST)}{path}", headers={"Host": DOMAIN}, timeout=20)
    finally:
        ended.set()
        for user in users:
            user.join()
    assert lost.status_code == 502
    time.sleep(4)  # time for a second one; systemd lets a service start five times in ten seconds
    assert counted()[name] == before + 1
    assert get("/health").status_code == 200


def test_an_apps_own_metrics_are_there_for_those_who_have_its_token() -> None:
    ask = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9190/metered"
    assert shell(ask) == "401"
    token = ["-H", f"Authorization: Bearer {TOKEN}"]
    text = podman_exec(HOST, "curl", "-sf", *token, "http://127.0.0.1:9190/metered").stdout
    assert 'metered_asked_total{path="/health"}' in text
    assert requests.get(f"http://{address(HOST)}:80/metered", headers={"Host": DOMAIN}, timeout=5).text == "ok"


@pytest.fixture(scope="module")
def prometheus(deployed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's Prometheus, which is not installed for it, with the files that the playbook writes."""
    fetch = "mkdir -p /opt/prometheus && cd /opt/prometheus && apt-get -qq download prometheus promtool"
    unpack = "for package in *.deb; do dpkg-deb -x $package .; done"
    shell(f"test -x /opt/prometheus/usr/bin/promtool || (apt-get -qq update && {fetch} && {unpack})")
    written = tmp_path_factory.mktemp("prometheus")
    run_playbook("metrics", deployed, {"metrics_folder": str(written)}).assert_ok()
    shell(f"umask 077 && mkdir -p /etc/prometheus && printf %s {TOKEN} > /etc/prometheus/metered.token")
    for path in (written / "prometheus.yml", written / "alerts.yml", SCENARIO / "files" / "alerts_test.yml"):
        subprocess.run(["podman", "cp", str(path), f"{container(HOST)}:/etc/prometheus/{path.name}"], check=True)
    return written


def promtool(*words: str) -> str:
    done = podman_exec(HOST, "/opt/prometheus/usr/bin/promtool", *words, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_alert_fires_beyond_its_threshold_and_not_below(prometheus: Path) -> None:
    assert "SUCCESS" in promtool("check", "rules", "/etc/prometheus/alerts.yml")
    promtool("test", "rules", "/etc/prometheus/alerts_test.yml")
    rules = yaml.safe_load((prometheus / "alerts.yml").read_text(encoding="utf-8"))
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    tests = yaml.safe_load((SCENARIO / "files" / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    judged = [(one["alertname"], bool(one.get("exp_alerts"))) for test in tests for one in test["alert_rule_test"]]
    assert {(name, fires) for name in names for fires in (True, False)} == set(judged)


def test_prometheus_finds_every_exporter_and_no_alert(prometheus: Path) -> None:
    promtool("check", "config", "/etc/prometheus/prometheus.yml")
    shell("sed 's/_interval: 30s/_interval: 1s/' /etc/prometheus/prometheus.yml > /etc/prometheus/quick.yml")
    options = (
        "--config.file=/etc/prometheus/quick.yml --storage.tsdb.path=/tmp/tsdb --web.listen-address=127.0.0.1:9090"
    )
    shell(f"systemd-run --quiet --collect --unit=prometheus-test /opt/prometheus/usr/bin/prometheus {options}")
    try:
        deadline = time.monotonic() + 30
        up: dict[str, bool] = {}
        while (len(up) < 6 or not all(up.values())) and time.monotonic() < deadline:
            time.sleep(0.5)
            answer = shell("curl -sf 'http://127.0.0.1:9090/api/v1/query?query=up'", check=False)
            found = json.loads(answer)["data"]["result"] if answer else []
            up = {one["metric"]["job"]: one["value"][1] == "1" for one in found}
        assert up == dict.fromkeys(("node", "nginx", "redis", "postgres", "mysql", "app_metered"), True)
        groups = json.loads(shell("curl -sf http://127.0.0.1:9090/api/v1/rules"))["data"]["groups"]
        bad = [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "err"]
        assert groups and not bad
        labels = json.loads(shell("curl -sf 'http://127.0.0.1:9090/api/v1/query?query=redis_instance_info'"))
        assert labels["data"]["result"][0]["metric"]["maxmemory_policy"] == "noeviction"
    finally:
        podman_exec(HOST, "systemctl", "stop", "prometheus-test", check=False)


@pytest.mark.parametrize("name", GUIDES)
def test_the_guides_numbers_become_alerts(prometheus: Path, tmp_path: Path, name: str) -> None:
    """The inventories that users copy; no host of theirs is asked."""
    text = (CHECKOUT / "inventories" / name / "group_vars" / "all.yml").read_text(encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for secret in re.findall(r"lookup\('ansible.builtin.env', '([A-Z_]+)'", text):
            patch.setenv(secret, "made-up-0123456789")
        variables = {"metrics_folder": str(tmp_path), "metrics_scrapers": ["10.0.0.99"]}
        run_playbook("metrics", CHECKOUT / "inventories" / name, variables).assert_ok()
    subprocess.run(["podman", "cp", str(tmp_path / "alerts.yml"), f"{container(HOST)}:/tmp/{name}.yml"], check=True)
    assert "SUCCESS" in promtool("check", "rules", f"/tmp/{name}.yml")
    groups = yaml.safe_load((tmp_path / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    limits = {rule["alert"]: re.split(" [<>]=? ", rule["expr"])[-1] for group in groups for rule in group["rules"]}
    assert {alert: float(limits[alert]) for alert in GUIDES[name]} == GUIDES[name]
    jobs = yaml.safe_load((tmp_path / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert "127.0.0.1" not in str(jobs)


def test_no_secret_is_where_others_see_it() -> None:
    own = shell("sed 's/REDIS_PASSWORD=//' /etc/webstack/redis-metrics.env")
    assert len(own) > 30
    secrets = f"{own}|canary-(redis|postgres|mysql|token)-0123456789"
    # What looks for them must not have them among its own arguments.
    pattern = ["podman", "exec", "--interactive", container(HOST), "sh", "-c"]
    for look in (
        "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -cEf /root/secrets",
        "journalctl --no-pager | grep -cEf /root/secrets",
        "find /etc /var /run /srv /usr/local /tmp -xdev -type f -perm /o=r -print0"
        " | xargs -0 grep -lEf /root/secrets | wc -l",
    ):
        command = f"umask 077; cat > /root/secrets; {look}; true"
        done = subprocess.run([*pattern, command], input=secrets + "\n", capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "0", look
    assert shell("stat -c '%a %U' /etc/webstack/redis-metrics.env") == "600 root"


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same host when somebody else collects its metrics: this machine, as the host sees it."""
    scrapers = [shell("ip route | awk '/^default/ {print $3}'")]
    changes = {"webstack_address": address(HOST), "metrics_scrapers": scrapers}
    found = inventory(tmp_path_factory.mktemp("collected"), **changes)
    run_playbook("provision", found).assert_ok()
    return found


def status(port: int, path: str = "metrics") -> int:
    """Return what this machine is answered; 0 when it is not."""
    try:
        return requests.get(f"http://{address(HOST)}:{port}/{path}", timeout=1).status_code
    except requests.ConnectionError:
        return 0


def test_named_hosts_may_ask_and_others_not(collected: Path) -> None:
    assert {port: status(port) for port in PORTS.values()} == dict.fromkeys(PORTS.values(), 200)
    assert status(9190, "metered") == 401, "nginx lets us in, the app wants its token"
    here = shell("ip route | awk '/^default/ {print $3}'")
    shell(f"sed 's/{here}/10.255.255.1/' /etc/webstack/metrics.nft > /tmp/other.nft && nft --file /tmp/other.nft")
    assert {status(port) for port in PORTS.values()} == {0}
    shell(f"curl -sf -o /dev/null http://{address(HOST)}:9100/metrics")
    shell(f"cp -p /etc/nginx/nginx.conf /tmp && sed -i 's/allow {here};//' /etc/nginx/nginx.conf && nginx -s reload")
    deadline = time.monotonic() + 10
    while (code := status(9190, "metered")) != 403 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert code == 403
    shell("cp -p /tmp/nginx.conf /etc/nginx && nginx -s reload && nft --file /etc/webstack/metrics.nft")


def test_not_everybody_can_be_meant(tmp_path: Path) -> None:
    wrong: tuple[dict[str, Any], ...] = (
        {"metrics_address": "0.0.0.0", "metrics_scrapers": ["10.0.0.9"]},
        {"metrics_address": "10.0.0.5"},
        {"metrics_scrapers": ["prometheus.example.com"], "webstack_address": "10.0.0.5"},
    )
    for changes in wrong:
        refused = run_playbook("provision", inventory(tmp_path, **changes))
        refused.assert_failed("metrics_address: ", "metrics_scrapers: ", "Give this host's address")
        assert refused.recap[HOST]["changed"] == 0


def test_verify_sees_what_is_down(collected: Path) -> None:
    run_playbook("verify", collected).assert_ok()
    drop_in = "/etc/systemd/system/prometheus-node-exporter.service.d/webstack.conf"
    shell(
        f"systemctl stop prometheus-redis-exporter; echo '# mine' >> {drop_in}; nft delete table inet webstack_metrics"
    )
    shell("systemctl stop 'postgresql@*.service'")
    run_playbook("verify", collected).assert_failed(
        "WRONG  metrics", "prometheus-redis-exporter.service is inactive", f"{drop_in} differs",
        f"does not answer at http://{address(HOST)}:9121/metrics", "pg_up is 0", "the firewall does not have the rules",
    )  # fmt: skip
    shell("systemctl restart postgresql.service")


def test_off_removes_all(tmp_path: Path) -> None:
    off = inventory(tmp_path / "off", webstack_metrics=False)
    run_playbook("provision", off).assert_ok()
    assert shell("systemctl list-units --no-legend 'prometheus-*' 'webstack-app-metrics*' --state=active") == ""
    units = " ".join(f"prometheus-{name}-exporter" for name in PORTS)
    assert set(shell(f"systemctl is-enabled {units}", check=False).split()) == {"disabled"}
    assert psql("SELECT count(*) FROM pg_roles WHERE rolname = 'prometheus'") == "0"
    assert "prometheus" not in shell("cat /etc/postgresql/*/main/pg_hba.conf")
    assert sql("SELECT count(*) FROM mysql.user WHERE user = 'prometheus'") == "0"
    assert "webstack_metrics" not in redis("ACL", "LIST")
    places = "/etc/systemd/system /etc/webstack /usr/local/sbin /var/lib/prometheus/node-exporter"
    assert (
        shell(f"find {places} -type f | grep -E 'metrics|exporter[.]service|[.]prom$'; nft list tables", check=False)
        == ""
    )
    listening = shell("ss -Hltn")
    assert not [port for port in (*PORTS.values(), 9190) if re.search(rf":{port}\s", listening)]
    recap = run_playbook("provision", off).assert_ok().recap
    assert recap[HOST]["changed"] == 0
