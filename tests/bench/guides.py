# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the figures that the deployment guides promise: their starting point against what our playbooks make of it.

    make bench-guides                               (all: about half an hour)
    make bench-guides GUIDES=feed QUICK=1               (one short round)

"after" is the inventory of the guide, deployed. "before" is the app as its guide finds it, with the command that the
guide gives, on the same host and on a copy of the same data: one uvicorn process without a pool and without indexes, or
three sync workers without a cache. Both are loaded in turns, one at a time, by wrk on this machine. TLS and rate limits
are off on both sides: neither is what is measured.

Results are kept in .build/bench/guides.json, each guide's as soon as it is there. docs/bench-guides.md explains them.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pytest
from bench.data_story import settle
from bench.pairs import Load, Row, Run, compare, in_turns, table, test_hosts
from support.app_traffic import AppTraffic, Ask, first_and_steady
from support.examples import APPS, app_variant, write_example
from support.llm import llm_url, start_llm
from support.playbooks import CHECKOUT, address, container, podman_exec, run_playbook, serving

RESULTS = CHECKOUT / ".build" / "bench" / "guides.json"
BEFORE = "/opt/before"
BEFORE_PORT = 8000
SECRET = "secret0123456789abcdef"
SECRETS = (
    "AGENTE_LLM_API_KEY", "AGENTE_DATABASE_PASSWORD", "AGENTE_OWNER_PASSWORD",
    "CITAS_SECRET_KEY", "CITAS_DATABASE_PASSWORD", "CITAS_OWNER_PASSWORD", "CITAS_REDIS_PASSWORD",
    "ACONEX_LLM_API_KEY", "ACONEX_METRICS_TOKEN", "ACONEX_DATABASE_PASSWORD", "ACONEX_OWNER_PASSWORD",
    "FEED_DATABASE_PASSWORD", "FEED_OWNER_PASSWORD",
)  # fmt: skip


@dataclass(frozen=True)
class Effort:
    """How long and how often to measure."""

    rounds: int = 5
    seconds: int = 8


QUICK = Effort(rounds=1, seconds=3)


def deploy(directory: Path, name: str, hosts: Mapping[str, str], change: Callable[[dict[str, Any]], None]) -> str:
    """Deploy a guide's inventory without TLS and limits; return the URL of its app."""

    def changed(variables: dict[str, Any]) -> None:
        (app,) = variables["webstack_apps"]
        app.pop("tls", None)
        app.pop("rate_limits", None)
        for check in app.get("checks", []):
            check.get("expect_headers", {}).pop("Strict-Transport-Security", None)
        change(variables)

    run_playbook("deploy", write_example(directory, name, changed, hosts)).assert_ok()
    return f"http://{address(next(iter(hosts.values())))}"


def start_before(
    host: str, app: str, source: Path, command: str, environment: Mapping[str, str], packages: Sequence[str] = ()
) -> None:
    """Run the app as its guide starts it: with the release's Python and packages, and its environment but for some.

    ``{python}`` in ``command`` becomes that Python.
    """
    home = f"/srv/{app}/current"
    podman_exec(host, "rm", "-rf", BEFORE)
    podman_exec(host, "mkdir", "-p", f"{BEFORE}/site")
    subprocess.run(["podman", "cp", str(source), f"{container(host)}:{BEFORE}/src"], check=True, capture_output=True)
    python = f"{home}/venv/bin/python"
    if packages:
        words = " ".join(f"'{package}'" for package in packages)
        install = (
            f"$(ls -d /opt/webstack/uv-*/bin/uv | tail -1) pip install --quiet --python {python} --target {BEFORE}/site"
        )
        podman_exec(host, "sh", "-c", f"{install} {words}")
    text = podman_exec(host, "cat", f"{home}/etc/environment").stdout
    for name, value in {"PYTHONPATH": f"{BEFORE}/site", "PYTHONDONTWRITEBYTECODE": "1", **environment}.items():
        text = re.sub(rf"^{name}=.*\n", "", text, flags=re.MULTILINE) + f'{name}="{value}"\n'
    write = f"umask 077; cat > {BEFORE}/environment"
    subprocess.run(["podman", "exec", "-i", container(host), "sh", "-c", write], input=text, text=True, check=True)
    unit = ["systemd-run", "--quiet", "--unit=before", f"--uid={app}", f"--working-directory={BEFORE}/src"]
    unit += ["--property=RuntimeDirectory=before", f"--property=EnvironmentFile={BEFORE}/environment"]
    podman_exec(host, *unit, *command.format(python=python).split())


def wait_for(host: str, url: str, header: str = "Host: localhost") -> None:
    command = [
        "curl",
        "-sf",
        "-o",
        "/dev/null",
        "--retry",
        "60",
        "--retry-delay",
        "1",
        "--retry-all-errors",
        "-H",
        header,
    ]
    done = podman_exec(host, *command, url, check=False)
    if done.returncode:
        raise RuntimeError(
            f"{url} does not answer: {podman_exec(host, 'journalctl', '-u', 'before', '-n', '30').stdout}"
        )


def requests_file(directory: Path, lines: Sequence[str]) -> Path:
    path = directory / "requests.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def psql(host: str, database: str, statement: str) -> str:
    command = [
        "runuser",
        "-u",
        "postgres",
        "--",
        "psql",
        "-qAt",
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        database,
        "-c",
        statement,
    ]
    return podman_exec(host, *command).stdout.strip()


# --- 000: one uvicorn process, and gunicorn with the plan's workers ---


def agent(effort: Effort, scratch: Path) -> list[Row]:
    host = "guide000"
    with test_hosts({"name": host, "cpus": 2, "memory": "4g"}):
        start_llm(host, SECRET)

        def change(variables: dict[str, Any]) -> None:
            variables["webstack_apps"][0]["environment"]["LLM_URL"] = llm_url(host)
            # The guide's beginning has no firewall: let the load reach it.
            variables["firewall_open"] = [{"port": str(BEFORE_PORT)}]

        url = deploy(scratch / "after", "orangepi", {"orangepi": host}, change)
        fill = (
            "INSERT INTO memories (text, embedding) SELECT 'recuerdo ' || n, (SELECT embedding FROM memories LIMIT 1)"
        )
        psql(host, "agente", f"{fill} FROM generate_series(1, 200) n")
        command = f"{{python}} -m uvicorn agente.main:app --host 0.0.0.0 --port {BEFORE_PORT} --no-access-log"
        start_before(host, "agente", APPS / "agente", command, {}, ["uvicorn[standard]"])
        wait_for(host, f"http://localhost:{BEFORE_PORT}/health")

        def measured(what: str, lines: Sequence[str]) -> Row:
            headers = {"Host": "agente.example.com"}
            load = Load(requests_file(scratch, lines), 32, effort.seconds, headers)
            sides = {"before": lambda: load.send(f"{url}:{BEFORE_PORT}/"), "after": lambda: load.send(f"{url}/")}
            return compare(what, "3.5 x", "/s", in_turns(sides, effort.rounds), lambda run: run.per_second)

        searches = [f"GET /api/memories?q=recuerdo+{n}" for n in range(100)]
        return [
            measured("000: requests/s, an answer without the database", ["GET /"]),
            measured("000: requests/s, a search with pgvector", searches),
        ]


# --- 002: three sync workers without a cache, and gevent with cache, pool and indexes ---

NO_CACHE = {
    "bookings/views.py": [
        ("rows = cache.get(key)", "rows = None"),
        ("cache.set(key, rows, settings.CACHE_SECONDS)", "pass"),
        ('.select_related("service", "resource")', ""),
    ],
    "core/settings.py": [
        ('"OPTIONS": {"pool": pool}', '"OPTIONS": {}'),
        ('"DEFAULT_THROTTLE_CLASSES": ["bookings.throttles.HourlyThrottle"]', '"DEFAULT_THROTTLE_CLASSES": []'),
    ],
}


@dataclass(frozen=True)
class Booking:
    """A run against the booking service, and how many transactions the database had for each request."""

    run: Run
    queries: float


def bookings(effort: Effort, scratch: Path) -> list[Row]:
    host = "guide002"
    with test_hosts({"name": host, "cpus": 2, "memory": "4g"}):

        def change(variables: dict[str, Any]) -> None:
            (app,) = variables["webstack_apps"]
            app["migrate"].append("python manage.py seed")
            app["environment"].update(THROTTLE_STAFF="1000000000", ALLOWED_HOSTS="*")

        url = deploy(scratch / "after", "citas", {"citas": host}, change)
        token = _staff_token(host)
        _copy_bookings(host)
        database = re.search(r'^DATABASE_URL="?([^"\n]+)', _environment(host, "citas"), re.MULTILINE)
        assert database
        command = "{python} -m gunicorn --access-logfile - --workers 3 --bind unix:/run/before/gunicorn.sock"
        source = app_variant("citas", scratch / "before", edits=NO_CACHE)
        elsewhere = re.sub(r"/citas(?=$|\?)", "/citas_before", database[1])
        start_before(host, "citas", source, f"{command} --umask 0 core.wsgi:application", {"DATABASE_URL": elsewhere})
        _nginx_before(host)
        wait_for(host, f"http://localhost:{BEFORE_PORT}/health")
        headers = {"Host": "citas.example.com", "Authorization": f"Token {token}"}
        lines = ["GET /api/services", "GET /api/resources", "GET /api/appointments?resource=1", "GET /api/services"]
        requests = requests_file(scratch, lines)

        def side(load: Load, there: str, database: str) -> Callable[[], Booking]:
            def measure() -> Booking:
                before = _transactions(host, database)
                run = load.send(there)
                return Booking(run, (_transactions(host, database) - before) / run.requests)

            return measure

        found = {}
        for name, connections in (("busy", 24), ("calm", 2)):
            load = Load(requests, connections, effort.seconds, headers)
            sides = {
                "before": side(load, f"{url}:{BEFORE_PORT}/", "citas_before"),
                "after": side(load, f"{url}/", "citas"),
            }
            found[name] = in_turns(sides, effort.rounds)
        return [
            compare("002: requests/s, lists and a day", "3-5 x", "/s", found["busy"], lambda one: one.run.per_second),
            compare("002: half of the answers within", "0.5-0.7 x", "ms", found["calm"], lambda one: one.run.p50_ms),
            compare("002: transactions a request", "0.4-0.6 x", "", found["busy"], lambda one: one.queries),
        ]


def _copy_bookings(host: str) -> None:
    """Copy the database without its indexes, and let the app in."""
    psql(host, "postgres", "CREATE DATABASE citas_before OWNER citas_owner")
    as_postgres = ["runuser", "-u", "postgres", "--", "sh", "-c"]
    podman_exec(host, *as_postgres, "pg_dump citas | psql -q -v ON_ERROR_STOP=1 -d citas_before")
    psql(host, "citas_before", "DROP INDEX appointment_free, appointment_day")
    psql(host, "citas_before", "ANALYZE")
    rule = "host citas_before citas 127.0.0.1/32 scram-sha-256"
    podman_exec(host, "sed", "-i", f"1i {rule}", psql(host, "postgres", "SHOW hba_file"))
    psql(host, "postgres", "SELECT pg_reload_conf()")


def _environment(host: str, app: str) -> str:
    return podman_exec(host, "cat", f"/srv/{app}/current/etc/environment").stdout


def _staff_token(host: str) -> str:
    code = (
        "from django.contrib.auth.models import User; from rest_framework.authtoken.models import Token; "
        "user, _ = User.objects.get_or_create(username='staff', defaults={'is_staff': True}); "
        "print(Token.objects.get_or_create(user=user)[0].key)"
    )
    home = "/srv/citas/current"
    unit = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--uid=citas", f"--working-directory={home}/src"]
    unit += [f"--property=EnvironmentFile={home}/etc/environment", f"{home}/venv/bin/python", "manage.py", "shell"]
    return podman_exec(host, *unit, "--no-imports", "-c", code).stdout.split()[-1]


def _nginx_before(host: str) -> None:
    """Put nginx before the sync workers, as the guide has it."""
    text = f"""server {{ listen {BEFORE_PORT}; access_log /var/log/nginx/before.log; location / {{
proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_pass http://unix:/run/before/gunicorn.sock; }} }}"""
    command = "cat > /etc/nginx/conf.d/before.conf && nginx -t -q && systemctl reload nginx"
    subprocess.run(["podman", "exec", "-i", container(host), "sh", "-c", command], input=text, text=True, check=True)


def _transactions(host: str, database: str) -> int:
    """Return how many transactions a database has had; without BEGIN every query is one."""
    return int(psql(host, "postgres", f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{database}'"))


# --- 003: the first answers of a release, without a warm-up and with it ---

FIRST, CLIENTS, RATE = 100, 6, 8.0


def documents(effort: Effort, scratch: Path) -> list[Row]:
    host = "guide003"
    with test_hosts({"name": host, "cpus": 2, "memory": "4g"}):
        start_llm(host, SECRET)
        version = 0

        def release(warm: bool) -> None:
            nonlocal version
            version += 1
            source = app_variant(
                "aconex_rag", scratch / str(version), edits={"aconex_rag/version.py": [("1.0.0", f"1.0.{version}")]}
            )

            def change(variables: dict[str, Any]) -> None:
                (app,) = variables["webstack_apps"]
                app["environment"]["LLM_URL"] = llm_url(host)
                app["source"] = {"path": str(source)}
                app["migrate"].append("python -m aconex_rag.seed 3000")
                app["warmup"] = app["warmup"] if warm else []

            deploy(scratch / "inventory", "aconex_rag", {"aconex": host}, change)

        def ask(client: str, number: int) -> Ask:
            return Ask("POST", "/search", {"query": f"plano de cimentación {client} {number}", "top_k": 5})

        def first_answers(warm: bool) -> tuple[float, float]:
            options = {"host": "aconex.example.com", "clients": CLIENTS, "rate": RATE}
            with AppTraffic(f"http://{address(host)}", ask, **options) as users:
                users.wait(3)
                release(warm)
                users.wait(4 + FIRST / CLIENTS / RATE)
            users.report().assert_clean(minimum_requests=2 * FIRST)
            return first_and_steady(users.answers, str(serving(host, "aconex_rag").current), FIRST)

        release(warm=True)
        found = in_turns(
            {"before": lambda: first_answers(warm=False), "after": lambda: first_answers(warm=True)}, effort.rounds
        )
        title = f"003: slowest of the first {FIRST} answers of a release"
        return [
            compare(title, "no outlier (84 ms)", "ms", found, lambda one: one[0]),
            compare("003: the same over that of as many before it", "<= 2", "", found, lambda one: one[0] / one[1]),
        ]


# --- 004: one process without indexes and pool, and all three phases ---


@contextmanager
def feed_hosts(scratch: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the URLs of the feed before and after the guide, on hosts of their own, and its database's host."""
    app, database = "guide004", "guide004db"
    with test_hosts(
        {"name": app, "cpus": 2, "memory": "2g"},
        {"name": database, "cpus": 2, "memory": "2g"},
    ):
        hosts = {"feed": app, "feed-db": database}

        def change(variables: dict[str, Any], phases: Sequence[str]) -> None:
            variables.update(phases=list(phases), feed_address=address(app), feed_db_address=address(database))
            (entry,) = variables["webstack_apps"]
            entry["migrate"].append("python -m recomendaciones.seed")

        # The tables come with the first release.
        deploy(scratch / "first", "recomendaciones", hosts, lambda variables: change(variables, []))
        everything = ["indexes", "pooling", "workers"]
        url = deploy(scratch / "after", "recomendaciones", hosts, lambda variables: change(variables, everything))
        _copy_without_indexes(database, address(app))
        old = re.search(r'^DATABASE_URL="?([^"\n]+)', _environment(app, "recomendaciones"), re.MULTILINE)
        assert old
        settings = {"DATABASE_URL": f"{old[1]}_before", "DATABASE_POOLING": "off"}
        command = f"{{python}} -m uvicorn recomendaciones.main:app --host 0.0.0.0 --port {BEFORE_PORT} --no-access-log"
        start_before(app, "recomendaciones", APPS / "recomendaciones", command, settings, ["uvicorn[standard]"])
        wait_for(app, f"http://localhost:{BEFORE_PORT}/health")
        yield f"{url}:{BEFORE_PORT}/", f"{url}/", database


def _copy_without_indexes(database: str, client: str) -> None:
    def sql(statement: str) -> list[str]:
        return podman_exec(database, "mariadb", "-NBe", statement).stdout.splitlines()

    sql("DROP DATABASE IF EXISTS recomendaciones_before; CREATE DATABASE recomendaciones_before")
    for name in ("users", "videos", "views"):
        there = f"recomendaciones_before.{name}"
        sql(f"CREATE TABLE {there} LIKE recomendaciones.{name}")
        where = f"table_schema = 'recomendaciones_before' AND table_name = '{name}' AND index_name <> 'PRIMARY'"
        for index in sql(f"SELECT DISTINCT index_name FROM information_schema.statistics WHERE {where}"):
            sql(f"DROP INDEX {index} ON {there}")
        sql(f"INSERT INTO {there} SELECT * FROM recomendaciones.{name}")
        sql(f"ANALYZE TABLE {there}")
    sql(f"GRANT SELECT ON recomendaciones_before.* TO 'recomendaciones'@'{client}'")


def feed_load(scratch: Path, seconds: int, connections: int = 32) -> Load:
    """Return the load of the feed: another user with each request."""
    bodies = ({"SELF_ID": 1 + n * 104729 % 20000, "N_VIDEOS": 24, "EXCLUDED_IDS": []} for n in range(500))
    requests = requests_file(scratch, [f"POST /api/search/total {json.dumps(body)}" for body in bodies])
    return Load(requests, connections, seconds, {"Host": "feed.example.com"})


def feed(effort: Effort, scratch: Path) -> list[Row]:
    with feed_hosts(scratch) as (before, after, database):
        # Without indexes an answer takes long: few would be counted in a shorter time.
        load = feed_load(scratch, 2 * effort.seconds)

        def side(url: str) -> Callable[[], Run]:
            def measure() -> Run:
                run = load.send(url)
                settle(database)
                return run

            return measure

        sides = {"before": side(before), "after": side(after)}
        runs = in_turns(sides, effort.rounds)
        return [
            compare("004: requests/s, a feed of 24 videos", "12-15 x", "/s", runs, lambda run: run.per_second),
            compare("004: 95 % of the answers within", "below 150 ms", "ms", runs, lambda run: run.p95_ms),
        ]


GUIDES = {"agent": agent, "bookings": bookings, "documents": documents, "feed": feed}


def stored() -> dict[str, list[dict[str, Any]]]:
    """Return the rows measured so far, by guide."""
    found: dict[str, list[dict[str, Any]]] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the guides promise, before and after.")
    parser.add_argument("--guides", nargs="*", choices=list(GUIDES), default=[])
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it works")
    chosen = parser.parse_args()
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        for name in SECRETS:
            patch.setenv(name, SECRET)
        for name in chosen.guides or list(GUIDES):
            print(f"{name} ...", flush=True)
            with tempfile.TemporaryDirectory() as scratch:
                rows = GUIDES[name](QUICK if chosen.quick else Effort(), Path(scratch))
            print("\n".join(table(rows)), flush=True)
            if not chosen.quick:
                RESULTS.write_text(
                    json.dumps({**stored(), name: [row.to_dict() for row in rows]}, indent=1) + "\n", "utf-8"
                )
    known = [Row(**{**row, "spread": tuple(row["spread"])}) for name in GUIDES for row in stored().get(name, [])]
    if known:
        print("\n".join(["", *table(known)]))


if __name__ == "__main__":
    main()
