# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare planned worker counts with the best ones, and with other rules of thumb, on hosts of several shapes.

    make bench-sizing                                 (all: about half an hour)
    make bench-sizing SHAPES=1cpu-512m WORKLOADS="cpu memory"

For each cell (a shape and a workload) gunicorn is started behind nginx with one setting after another and
loaded with wrk. The sweep finds the best throughput that keeps the 95th percentile within the workload's
limit, without an error and without a worker killed for memory. The best of them, the plan and the rules are then
measured again, in turns, so that none wins by one lucky run.

Every cell is kept in .build/bench/sizing.json, so that the bench can be run in pieces. At the end a table of all
of them is printed, and docs/bench-sizing.svg is drawn.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".build" / "collections"))

import yaml
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.types import Hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.plan import plan
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.workload import read_workload
from bench.sizing_report import chart, table
from support.playbooks import CHECKOUT, address, clean_environment, container, podman_exec

HOST = "sizing"
SCRATCH = CHECKOUT / ".build" / "bench"
RESULTS = SCRATCH / "sizing.json"
CHART = CHECKOUT / "docs" / "bench-sizing.svg"
UPSTREAM_PORT = 18099
SOCKET = "/opt/bench/run/app.sock"
WARM_UP_SECONDS = 1
SECONDS_TO_PICK_FROM = 3
FINALISTS, FINAL_ROUNDS = 2, 2
START_SECONDS = 20.0

#: The hosts: memory limit and processors, as tests/hosts/create.yml wants them.
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "1cpu-512m": {"cpus": 1, "memory": "512m"},
    "1.5cpu-1g": {"cpus": 1.5, "memory": "1g"},
    "2cpu-1g": {"cpus": 2, "memory": "1g"},
    "2cpu-4g": {"cpus": 2, "memory": "4g"},
}


@dataclass(frozen=True)
class Workload:
    """An endpoint of tests/apps/bench: what the user would declare, its load and the p95 to keep (seconds).

    ``sweep`` are the (workers, threads) to try besides those that plan and rules choose.
    """

    entry: Mapping[str, Any]
    target: str
    connections: int
    p95_limit: float
    sweep: Sequence[tuple[int, int]]
    database: bool = False


ONE_THREAD = [(1, 1), (2, 1), (3, 1), (4, 1), (6, 1)]
WORKLOADS = {
    "cpu": Workload({"framework": "wsgi", "workload": "cpu"}, "bench.cpu:app", 16, 0.5, ONE_THREAD),
    "upstream": Workload({"framework": "fastapi", "workload": "io"}, "bench.upstream:app", 64, 0.5, ONE_THREAD),
    "postgres": Workload(
        {"framework": "wsgi", "workload": "mixed", "postgres": {}},
        "bench.postgres:app",
        32,
        0.5,
        [(1, 4), (1, 16), (2, 2), (2, 4), (2, 8), (3, 4), (4, 4)],
        database=True,
    ),
    "memory": Workload({"framework": "wsgi", "workload": "cpu"}, "bench.memory:app", 8, 1.0, ONE_THREAD),
}


@dataclass(frozen=True, order=True)
class Setting:
    """How gunicorn is started."""

    workers: int
    threads: int = 1


@dataclass(frozen=True)
class Run:
    """What one measurement gave: requests per second, 95th percentile in seconds, what went wrong."""

    throughput: float
    p95: float
    failed: int
    killed: bool

    def valid(self, limit: float) -> bool:
        return self.throughput > 0 and self.p95 <= limit and not self.failed and not self.killed


@dataclass(frozen=True)
class Cell:
    """All that is known of one shape and workload. ``rules`` maps "plan" and the other rules to their settings.

    What else a shared machine does only takes throughput away, so a setting is worth its best second.
    """

    shape: str
    workload: str
    rules: Mapping[str, Setting]
    limit: float
    pss_mb: int
    runs: Mapping[Setting, Sequence[Run]]

    @property
    def best(self) -> Setting:
        served = [one for one in self.runs if not self.broken(one)]
        return max(served, key=self.throughput, default=self.rules["plan"])

    def throughput(self, setting: Setting) -> float:
        return max(run.throughput for run in self.runs[setting])

    def p95(self, setting: Setting) -> float:
        return min(run.p95 for run in self.runs[setting])

    def broken(self, setting: Setting) -> str:
        """Return why a setting does not count, an empty string where it does."""
        if any(run.killed for run in self.runs[setting]):
            return "killed"
        if any(run.failed or not run.throughput for run in self.runs[setting]):
            return "errors"
        return "slow" if self.p95(setting) > self.limit else ""

    def to_dict(self) -> dict[str, Any]:
        """Return the cell as it is stored, with what the table and the chart show."""
        return {
            "shape": self.shape,
            "workload": self.workload,
            "limit": self.limit,
            "pss_mb": self.pss_mb,
            "best": asdict(self.best) | {"throughput": round(self.throughput(self.best), 1)},
            "rules": {
                name: asdict(setting)
                | {
                    "ratio": round(self.throughput(setting) / self.throughput(self.best), 3),
                    "p95": round(self.p95(setting), 3),
                    "broken": self.broken(setting),
                }
                for name, setting in self.rules.items()
            },
            "runs": [asdict(setting) | asdict(run) for setting, runs in self.runs.items() for run in runs],
        }


class Host:
    """The test host of one shape, with nginx, PostgreSQL and the bench app on it."""

    def __init__(self, shape: str) -> None:
        self.shape = shape
        self.address = ""
        self.log = SCRATCH / "run" / "error.log"
        self.facts: dict[str, Any] = {}

    @contextmanager
    def running(self, with_database: bool) -> Iterator[Host]:
        """Make the host, and remove it when done."""
        (SCRATCH / "run").mkdir(exist_ok=True)
        # One that an interrupted bench left behind has another shape.
        _playbook("destroy", self._spec())
        _playbook("create", self._spec())
        try:
            # A host does not share its processors with other hosts: ours comes first in what its quota allows.
            subprocess.run(["podman", "update", "--cpu-shares=8192", container(HOST)], capture_output=True, check=True)
            self.address = address(HOST)
            self._provision(with_database)
            self.facts = self._read_hardware()
            yield self
        finally:
            _playbook("destroy", self._spec())
            # podman's monitor leaves this where it was started when a container ran out of memory.
            (CHECKOUT / "tests" / "hosts" / "oom").unlink(missing_ok=True)

    def _spec(self) -> dict[str, Any]:
        volumes = [
            f"{CHECKOUT}/tests/apps/bench:/opt/bench/app:ro",
            f"{CHECKOUT}/plugins/module_utils:/opt/bench/utils:ro",
            f"{SCRATCH}/site:/opt/bench/site:ro",
            f"{SCRATCH}/run:/opt/bench/run",
        ]
        return {"test_hosts": [{"name": HOST, "volumes": volumes, **SHAPES[self.shape]}]}

    def _provision(self, with_database: bool) -> None:
        packages = ["nginx-light", *(["postgresql"] if with_database else [])]
        podman_exec(HOST, "apt-get", "update", "--quiet")
        podman_exec(
            HOST, "env", "DEBIAN_FRONTEND=noninteractive",
            "apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages,
        )  # fmt: skip
        if with_database:
            script = "CREATE TABLE orders (id int PRIMARY KEY, amount int); "
            script += "INSERT INTO orders SELECT n, n % 97 FROM generate_series(1, 100600) n; ANALYZE orders; "
            script += "CREATE ROLE root LOGIN SUPERUSER"
            podman_exec(HOST, "runuser", "-u", "postgres", "--", "psql", "-qc", script)

    def _read_hardware(self) -> dict[str, Any]:
        code = "import json; from hardware.read import read_hardware; "
        code += "print(json.dumps({**read_hardware().to_dict(), 'nproc': len(__import__('os').sched_getaffinity(0))}))"
        done = podman_exec(
            HOST, "env", "PYTHONPATH=/opt/bench/utils", "PYTHONDONTWRITEBYTECODE=1", "python3", "-c", code
        )
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts

    def configure_nginx(self, sizing: Mapping[str, Any]) -> None:
        """Let nginx proxy to the app, with the plan's numbers."""
        nginx = sizing["nginx"]
        text = f"""user www-data; worker_processes {nginx["worker_processes"]};
events {{ worker_connections {nginx["worker_connections"]}; }}
http {{ access_log off; upstream app {{ server unix:{SOCKET} fail_timeout=0; }}
server {{ listen 80; location / {{
proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}
"""
        command = "cat > /etc/nginx/nginx.conf && nginx -t -q && systemctl restart nginx"
        subprocess.run(
            ["podman", "exec", "-i", container(HOST), "sh", "-c", command], input=text, text=True, check=True
        )

    def configure_postgres(self, sizing: Mapping[str, Any]) -> None:
        """Give PostgreSQL the plan's numbers, and slots enough for every rule to be measured."""
        numbers = sizing["postgres"]
        changes = {
            "shared_buffers": f"{numbers['shared_buffers_mb']}MB",
            "work_mem": f"{numbers['work_mem_kb']}kB",
            "max_connections": str(max(100, numbers["max_connections"])),
        }
        for name, value in changes.items():
            podman_exec(HOST, "psql", "-q", "postgres", "-c", f"ALTER SYSTEM SET {name} = '{value}'")
        podman_exec(HOST, "systemctl", "restart", "postgresql")

    def start(self, workload: Workload, worker_class: str, setting: Setting, memory_max_mb: int | None = None) -> bool:
        """Start gunicorn; return whether it answers."""
        gateway = self.address.rpartition(".")[0] + ".1"
        environment = {
            "PYTHONPATH": "/opt/bench/site:/opt/bench/app",
            "PYTHONDONTWRITEBYTECODE": "1",
            "BENCH_DATABASE": "host=/run/postgresql dbname=postgres user=root",
            "BENCH_POOL": str(setting.threads),
            "BENCH_UPSTREAM": f"http://{gateway}:{UPSTREAM_PORT}/",
        }
        command = ["systemd-run", "--quiet", "--unit=bench", "--collect"]
        command += [f"--setenv={name}={value}" for name, value in environment.items()]
        command += [f"--property=MemoryMax={memory_max_mb}M"] * bool(memory_max_mb)
        command += ["python3", "-m", "gunicorn", f"--worker-class={worker_class}", f"--workers={setting.workers}"]
        command += [f"--threads={setting.threads}", f"--bind=unix:{SOCKET}", "--config=/opt/bench/app/gunicorn.conf.py"]
        command += ["--error-logfile=/opt/bench/run/error.log", workload.target]
        self.log.unlink(missing_ok=True)
        podman_exec(HOST, *command)
        return self._answers(setting.workers)

    def _answers(self, workers: int) -> bool:
        """Wait until the app answers and all of its workers have started."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            time.sleep(0.1)
            if self.killed():
                return False
            try:
                urllib.request.urlopen(f"http://{self.address}/health", timeout=5).close()
            except (urllib.error.URLError, OSError):
                continue
            if self.log.read_text(encoding="utf-8").count(" Ready") >= workers:
                return True
        return False

    def stop(self) -> None:
        script = f"systemctl kill --signal=SIGKILL bench.service; systemctl stop bench.service; rm -f {SOCKET}"
        podman_exec(HOST, "sh", "-c", script, check=False)

    def killed(self) -> bool:
        """Whether the kernel took memory back by killing a worker: gunicorn says so."""
        return self.log.exists() and "SIGKILL" in self.log.read_text(encoding="utf-8")

    def worker_pss_mb(self) -> int:
        """Return the proportional set size of the largest worker, in MiB."""
        script = "for pid in $(pgrep -P $(systemctl show -P MainPID bench.service)); do "
        script += "awk '/^Pss:/ {print $2}' /proc/$pid/smaps_rollup; done"
        sizes = [int(line) for line in podman_exec(HOST, "sh", "-c", script).stdout.split()]
        return max(sizes) // 1024

    def measure(self, workload: Workload, worker_class: str, setting: Setting, memory_max_mb: int | None = None) -> Run:
        """Start one setting, load it, stop it."""
        try:
            if not self.start(workload, worker_class, setting, memory_max_mb):
                return Run(0.0, 0.0, 1, self.killed())
            self._load(workload, WARM_UP_SECONDS)
            found = [self._load(workload, 1) for _unused in range(SECONDS_TO_PICK_FROM) if not self.killed()]
            killed = self.killed()
        finally:
            self.stop()
        return Run(
            throughput=max((one["requests"] / one["microseconds"] * 1e6 for one in found), default=0.0),
            p95=min((one["p95"] / 1e6 for one in found), default=0.0),
            failed=sum(one["bad"] + one["lost"] for one in found),
            killed=killed,
        )

    def measure_memory(self, workload: Workload, worker_class: str, setting: Setting) -> int:
        """Start one setting, load it, and return what its largest worker then uses (MiB)."""
        try:
            if not self.start(workload, worker_class, setting):
                raise RuntimeError(f"{workload.target} does not start on {self.shape}; see {self.log}")
            self._load(workload, WARM_UP_SECONDS)
            return self.worker_pss_mb()
        finally:
            self.stop()

    def _load(self, workload: Workload, seconds: int) -> Mapping[str, Any]:
        script = str(Path(__file__).with_name("result.lua"))
        command = ["wrk", "-t1", f"-c{workload.connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script]
        done = subprocess.run([*command, f"http://{self.address}/"], capture_output=True, text=True, check=True)
        line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
        result: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
        return result


def _playbook(name: str, variables: Mapping[str, Any]) -> None:
    command = [str(Path(sys.executable).with_name("ansible-playbook")), f"tests/hosts/{name}.yml"]
    command += ["--extra-vars", json.dumps(variables)]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=clean_environment(), capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")


def prepare_site() -> None:
    """Install what the app needs, for the Python of the test hosts, into one directory that all hosts see."""
    site = SCRATCH / "site"
    requirements, installed = CHECKOUT / "tests/apps/bench/requirements.txt", site / "requirements.txt"
    if installed.exists() and installed.read_text(encoding="utf-8") == requirements.read_text(encoding="utf-8"):
        return
    shutil.rmtree(site, ignore_errors=True)
    defaults = yaml.safe_load((CHECKOUT / "roles/gunicorn_app/defaults/main.yml").read_text(encoding="utf-8"))
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    # The hosts are Debian 13 on the architecture of this machine.
    command = [uv, "pip", "install", "--quiet", "--python-version=3.13", "--only-binary=:all:", f"--target={site}"]
    command += [f"--python-platform={os.uname().machine}-manylinux_2_40"]
    command += ["-r", str(requirements)]
    command += [f"gunicorn=={defaults['gunicorn_app_gunicorn_version']}"]
    subprocess.run(command, check=True)
    shutil.copy(requirements, installed)


@contextmanager
def slow_upstream() -> Iterator[None]:
    """Run the service that answers after 50 ms."""
    server = subprocess.Popen([sys.executable, str(Path(__file__).with_name("slow_upstream.py")), str(UPSTREAM_PORT)])
    try:
        yield
    finally:
        server.terminate()
        server.wait()


def other_rules(facts: Mapping[str, Any], threads: int) -> dict[str, Setting]:
    """Return what others would choose: worker counts only, so each gets the plan's threads.

    WEB_CONCURRENCY is min(2n+1, memory / 256 MB), as Heroku's Python buildpack computes it.
    """
    count = facts["nproc"]
    memory = facts["memory"]["usable_mb"]
    rules = {
        "2n+1": 2 * count + 1,
        "nproc": count,
        "WEB_CONCURRENCY": min(2 * count + 1, max(1, memory // 256)),
        "4": 4,
    }
    return {name: Setting(workers, threads) for name, workers in rules.items()}


def measure_cell(host: Host, name: str) -> Cell:
    """Sweep one workload on a running host, then measure the best, the plan and the other rules in turns."""
    workload = WORKLOADS[name]
    sizing = _plan(host.facts, workload, None)
    host.configure_nginx(sizing)
    if workload.database:
        host.configure_postgres(sizing)
    worker_class = sizing["gunicorn"]["bench"]["worker_class"]
    # The first release runs with what is assumed; the plan that is judged knows what its workers were seen to use.
    first = Setting(1, sizing["gunicorn"]["bench"]["threads"])
    pss = host.measure_memory(workload, worker_class, first)
    sizing = _plan(host.facts, workload, pss)
    ours = sizing["gunicorn"]["bench"]
    planned = Setting(ours["workers"], ours["threads"])
    rules = {"plan": planned, **other_rules(host.facts, ours["threads"])}
    limits = {planned: ours["memory_max_mb"]}
    settings = sorted({*rules.values(), *(Setting(*pair) for pair in workload.sweep)})
    runs: dict[Setting, list[Run]] = {}
    for setting in settings:
        found = host.measure(workload, worker_class, setting, limits.get(setting))
        runs[setting] = [found]
        print(f"    {setting.workers} × {setting.threads}: {_words(found, workload)}", flush=True)
    valid = [setting for setting in settings if runs[setting][0].valid(workload.p95_limit)]
    leaders = sorted(valid, key=lambda setting: runs[setting][0].throughput)[-FINALISTS:]
    # What was killed or gave no answer at all is not tried again.
    alive = [one for one in rules.values() if runs[one][0].throughput and not runs[one][0].killed]
    for _unused in range(FINAL_ROUNDS):
        for setting in sorted({*leaders, *alive}):
            runs[setting].append(host.measure(workload, worker_class, setting, limits.get(setting)))
    return Cell(host.shape, name, rules, workload.p95_limit, pss, runs)


def _words(run: Run, workload: Workload) -> str:
    if run.killed:
        return "killed for memory"
    text = f"{run.throughput:.0f} requests/s, p95 {run.p95 * 1000:.0f} ms"
    return text if run.valid(workload.p95_limit) else f"{text}, does not count ({run.failed} failed)"


def _plan(facts: Mapping[str, Any], workload: Workload, measured_mb: int | None) -> dict[str, Any]:
    hardware = Hardware.from_dict({key: value for key, value in facts.items() if key != "nproc"})
    services = ["nginx", *(["postgres"] if workload.database else [])]
    measured = {"bench": measured_mb} if measured_mb else {}
    return plan(hardware, read_workload([{"name": "bench", **workload.entry}], services, measured=measured)).to_dict()


def stored() -> dict[str, dict[str, Any]]:
    """Return the cells measured so far."""
    cells: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return cells


def run(shapes: Sequence[str], workloads: Sequence[str]) -> None:
    """Measure the chosen cells and keep each as soon as it is done."""
    prepare_site()
    with slow_upstream():
        for shape in shapes:
            print(f"{shape} ...", flush=True)
            with Host(shape).running(any(WORKLOADS[name].database for name in workloads)) as host:
                for name in workloads:
                    started = time.monotonic()
                    print(f"  {name}", flush=True)
                    cell = measure_cell(host, name)
                    cells = stored() | {f"{shape} {name}": cell.to_dict()}
                    RESULTS.write_text(json.dumps(cells, indent=1) + "\n", encoding="utf-8")
                    print(f"    {time.monotonic() - started:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare planned worker counts with the best ones.")
    parser.add_argument("--shapes", nargs="*", choices=list(SHAPES), default=[])
    parser.add_argument("--workloads", nargs="*", choices=list(WORKLOADS), default=[])
    parser.add_argument("--report-only", action="store_true", help="print and draw what was measured before")
    chosen = parser.parse_args()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    if not chosen.report_only:
        run(chosen.shapes or list(SHAPES), chosen.workloads or list(WORKLOADS))
    order = [f"{shape} {name}" for name in WORKLOADS for shape in SHAPES]
    cells = stored()
    known = [cells[key] for key in order if key in cells]
    if known:
        print("\n".join(table(known)))
        CHART.write_text(chart(known), encoding="utf-8")
    missing = len(order) - len(known)
    print(f"{missing} of {len(order)} cells have not been measured yet" if missing else "", end="\n" if missing else "")


if __name__ == "__main__":
    main()
