# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers of the data bench: each can be given the settings of a side, be loaded, and tell its memory."""

from __future__ import annotations

import csv
import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.data_sides import CPUS, MEMORY_MB, mysql_worst_mb, mysqltuner_advice, pgtune_web, postgres_worst_mb
from support.memory import memory_of
from support.playbooks import container

HOST = "data"


@dataclass(frozen=True)
class Scale:
    """How much is measured: seconds of one run, and how much data."""

    seconds: int = 8
    pgbench: int = 20
    vectors: int = 100_000
    rows: int = 250_000
    requests: int = 150_000


QUICK = Scale(seconds=2, pgbench=2, vectors=5_000, rows=20_000, requests=20_000)


def shell(command: str, text: str | None = None) -> str:
    """Run a command as root on the host. Raises ``RuntimeError`` when it fails."""
    done = subprocess.run(
        ["podman", "exec", "-i", container(HOST), "sh", "-ec", command],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{command[:300]}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def install(*packages: str) -> None:
    shell(f"DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends {' '.join(packages)}")


class Store(ABC):
    """One kind of server. ``sides`` maps a side's name to what it is about in a word or two."""

    name: str
    sides: Sequence[str]

    def __init__(self, scale: Scale) -> None:
        self.scale = scale

    @abstractmethod
    def prepare(self) -> None:
        """Make the data, once for all sides."""

    @abstractmethod
    def apply(self, side: str) -> None:
        """Start the server with a side's settings, and nothing in its memory."""

    @abstractmethod
    def measure(self) -> dict[str, float]:
        """Load it, and return what came out by name: per second, or a fraction where the name says so."""

    @abstractmethod
    def worst_mb(self) -> float | None:
        """Return what the settings allow it to take; None where they set no bound."""

    @abstractmethod
    def unit(self, side: str) -> str:
        """Return the systemd unit of a side."""

    def held_mb(self, side: str) -> int:
        """Return what it holds now: private memory and shared buffers."""
        unit = self.unit(side)
        return memory_of(HOST, [unit])[unit].held_mb


class Postgres(Store):
    """pgbench, and a search with pgvector."""

    name = "postgres"
    sides = ("defaults", "PGTune", "ours")
    unit_name = "postgresql@17-main.service"
    drop_in = "/etc/postgresql/17/main/conf.d/rightsize.conf"
    dimensions, queries, clients = 384, 100, 8

    def unit(self, side: str) -> str:
        return self.unit_name

    def psql(self, statements: str, database: str = "bench") -> str:
        return shell(f"cd /tmp; runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d {database}", statements).strip()

    def pgbench(self, options: str) -> float:
        """Run pgbench and return transactions per second, or with -i the seconds that it took."""
        output = shell(f"cd /tmp; runuser -u postgres -- /usr/lib/postgresql/17/bin/pgbench {options} bench 2>&1")
        found = re.search(r"tps = ([\d.]+)|done in ([\d.]+)", output)
        if not found or "aborted" in output:
            raise RuntimeError(f"pgbench {options}: {output[-2000:]}")
        return float(found[1] or found[2])

    def prepare(self) -> None:
        shell(f"cp {self.drop_in} /root/ours.conf")
        self.apply("ours")
        self.psql("DROP DATABASE IF EXISTS bench", "postgres")
        self.psql("CREATE DATABASE bench", "postgres")
        self.pgbench(f"-i -q -s {self.scale.pgbench}")
        # Vectors as they come out of a model: around some hundred topics, not evenly everywhere.
        self.psql(f"""
            CREATE EXTENSION vector;
            SELECT setseed(0.42);
            CREATE TEMP TABLE noise AS SELECT n, ARRAY(SELECT random() - 0.5 + 0 * n FROM generate_series(1,
              {self.dimensions}))::vector({self.dimensions}) AS v FROM generate_series(0, 2999) n;
            CREATE INDEX ON noise (n); ANALYZE noise;
            CREATE TABLE items (id int PRIMARY KEY, embedding vector({self.dimensions}) NOT NULL);
            INSERT INTO items SELECT i, topic.v + one.v + other.v
              FROM generate_series(1, {self.scale.vectors}) AS numbers(i)
              JOIN noise topic ON topic.n = i % 300
              JOIN noise one ON one.n = 300 + (i * 7919::bigint) % 2700
              JOIN noise other ON other.n = 300 + (i * 104729::bigint / 2700) % 2700;
            CREATE TABLE queries AS SELECT i AS id, topic.v + one.v + other.v AS embedding
              FROM generate_series(1, {self.queries}) AS numbers(i) JOIN noise topic ON topic.n = (i * 37) % 300
              JOIN noise one ON one.n = 300 + (i * 31) % 2700 JOIN noise other ON other.n = 300 + (i * 1009) % 2700;
            ALTER TABLE queries ADD PRIMARY KEY (id);
            CREATE TABLE truth AS SELECT q.id AS query, f.id AS item FROM queries q CROSS JOIN LATERAL
              (SELECT id FROM items ORDER BY embedding <=> q.embedding LIMIT 10) f;
        """)
        # The same index for all sides, built with memory that holds it.
        self.psql("""
            SET maintenance_work_mem = '700MB'; SET max_parallel_maintenance_workers = 0;
            CREATE INDEX ON items USING hnsw (embedding vector_cosine_ops);
            ANALYZE items; CHECKPOINT
        """)
        shell(
            "cat > /tmp/search.sql; chmod 644 /tmp/search.sql",
            f"\\set q random(1, {self.queries})\n{self.search()};\n",
        )

    def search(self) -> str:
        return "SELECT id FROM items ORDER BY embedding <=> (SELECT embedding FROM queries WHERE id = :q) LIMIT 10"

    def apply(self, side: str) -> None:
        settings = (
            "" if side == "defaults" else "".join(f"{k} = '{v}'\n" for k, v in pgtune_web(MEMORY_MB, CPUS).items())
        )
        content = shell("cat /root/ours.conf") if side == "ours" else settings
        shell(f"cat > {self.drop_in}; systemctl restart {self.unit_name}", content)

    def measure(self) -> dict[str, float]:
        seconds, load = self.scale.seconds, f"-n -c {self.clients} -j 2"
        # Twice: what comes first fills the buffers.
        self.pgbench(f"{load} -S -M prepared -T 2")
        found = {"pgbench, select only": self.pgbench(f"{load} -S -M prepared -T {seconds}")}
        found["pgbench, TPC-B"] = self.pgbench(f"{load} -T {seconds}")
        self.pgbench(f"{load} -M prepared -f /tmp/search.sql -T 2")
        found["pgvector search"] = self.pgbench(f"{load} -M prepared -f /tmp/search.sql -T {seconds}")
        found["pgvector recall@10"] = self.recall()
        return found

    def recall(self) -> float:
        """Return which part of the ten nearest, found without the index, the search finds."""
        lines = [f"{self.search().replace(':q', str(q))};" for q in range(1, self.queries + 1)]
        plan = self.psql(f"EXPLAIN {lines[0]}")
        if "Index Scan using items_embedding" not in plan:
            raise RuntimeError(f"the search does not use its index: {plan}")
        found = [set(one.split()) for one in self.psql("\\echo ;\n".join(lines)).split(";")]
        rows = [row.split("|") for row in self.psql("SELECT query, item FROM truth").splitlines()]
        return sum(item in found[int(query) - 1] for query, item in rows) / len(rows)

    def worst_mb(self) -> float:
        sql = "SELECT name, setting, unit FROM pg_settings WHERE name IN ('shared_buffers', 'work_mem', "
        sql += "'maintenance_work_mem', 'autovacuum_work_mem', 'autovacuum_max_workers', 'max_connections')"
        factors = {"8kB": 1 / 128, "kB": 1 / 1024, "": 1.0}
        rows = [row.split("|") for row in self.psql(sql).splitlines()]
        return postgres_worst_mb({name: float(value) * factors[unit] for name, value, unit in rows})


class MariaDb(Store):
    """sysbench's mixed and read-only transactions."""

    name = "mysql"
    sides = ("defaults", "MySQLTuner", "ours")
    drop_in = "/etc/mysql/mariadb.conf.d/99-webstack.cnf"
    tables, threads = 4, 8
    # Version 2.6 divides by a variable that is 0 in MariaDB 11.8 and ends there.
    tuner = (
        "sed 's/!defined( $myvar{.innodb_buffer_pool_chunk_size.} )/!$myvar{innodb_buffer_pool_chunk_size}/' "
        "/usr/bin/mysqltuner > /tmp/mysqltuner.pl; "
        f"perl /tmp/mysqltuner.pl --nocolor --forcemem {MEMORY_MB} --forceswap 0"
    )

    def __init__(self, scale: Scale) -> None:
        super().__init__(scale)
        self.advice: Mapping[str, str] = {}

    def unit(self, side: str) -> str:
        return "mariadb.service"

    def prepare(self) -> None:
        install("sysbench", "mysqltuner")
        shell(f"cp {self.drop_in} /root/ours.cnf; mariadb -e 'DROP DATABASE IF EXISTS sbtest; CREATE DATABASE sbtest'")
        self.apply("defaults")
        self.sysbench("oltp_read_write", "prepare")
        # It judges a server at work.
        self.sysbench("oltp_read_write", f"--time={2 * self.scale.seconds} run")
        self.advice = mysqltuner_advice(shell(self.tuner))
        print(f"  MySQLTuner: {self.advice}", flush=True)

    def sysbench(self, script: str, command: str) -> str:
        options = f"--mysql-socket=/run/mysqld/mysqld.sock --mysql-user=root --tables={self.tables}"
        return shell(f"sysbench {script} {options} --table-size={self.scale.rows} --threads={self.threads} {command}")

    def apply(self, side: str) -> None:
        settings = "" if side == "defaults" else "".join(f"{name} = {value}\n" for name, value in self.advice.items())
        content = shell("cat /root/ours.cnf") if side == "ours" else f"[mariadbd]\n{settings}"
        shell(f"cat > {self.drop_in}; systemctl restart mariadb", content)

    def measure(self) -> dict[str, float]:
        found = {}
        for name, script in {
            "sysbench, read only": "oltp_read_only",
            "sysbench, read/write": "oltp_read_write",
        }.items():
            self.sysbench(script, "--time=2 run")
            output = self.sysbench(script, f"--time={self.scale.seconds} run")
            rate = re.search(r"transactions:\s+\d+\s+\(([\d.]+) per sec", output)
            if not rate:
                raise RuntimeError(output)
            found[name] = float(rate[1])
        return found

    def worst_mb(self) -> float:
        rows = [row.split("\t") for row in shell("mariadb -NBe 'SHOW GLOBAL VARIABLES'").splitlines()]
        return mysql_worst_mb({row[0]: row[1] for row in rows if len(row) == 2})


class Redis(Store):
    """redis-benchmark. There is no tuner for Redis: what it is compared with is Debian's file, also with appendonly."""

    name = "redis"
    sides = ("defaults", "defaults + appendonly", "ours (store)", "ours (cache)")
    own, port, scratch = "redis-server.service", 6399, "/var/lib/redis/bench"
    clients, size, keys = 50, 200, 20_000

    def __init__(self, scale: Scale) -> None:
        super().__init__(scale)
        self.side = ""

    def unit(self, side: str) -> str:
        return self.own if side.startswith("ours") else "bench-redis.service"

    def prepare(self) -> None:
        pass

    def cli(self, words: str) -> str:
        return shell(f"{self._login('REDISCLI_AUTH=')} redis-cli {self._where()} {words}")

    def _login(self, form: str) -> str:
        return f'{form}"$(cat /etc/webstack/redis-admin.password)"' if self.side.startswith("ours") else ""

    def _where(self) -> str:
        return "-p 6379 --user webstack" if self.side.startswith("ours") else f"-p {self.port}"

    def apply(self, side: str) -> None:
        self.side = side
        shell(f"systemctl stop {self.own}; systemctl stop bench-redis 2>/dev/null || true; rm -rf {self.scratch}")
        if side.startswith("ours"):
            shell(f"systemctl start {self.own}")
            self.cli("FLUSHALL")
            if "cache" in side:
                self.cli("CONFIG SET appendonly no maxmemory-policy allkeys-lfu")
            return
        options = f"--port {self.port} --dir {self.scratch} --daemonize no --supervised no --logfile '' --pidfile ''"
        options += f" --appendonly {'yes' if 'appendonly' in side else 'no'}"
        shell(f"install -d -o redis -g redis {self.scratch}; systemd-run --quiet --collect --unit=bench-redis "
              f"--uid=redis redis-server /etc/redis/redis.conf {options}")  # fmt: skip
        shell(f"for n in $(seq 50); do redis-cli -p {self.port} PING | grep -q PONG && exit; sleep 0.1; done; exit 1")

    def measure(self) -> dict[str, float]:
        load = f"-t set,get -n {self.scale.requests} -r {self.keys} -d {self.size} -c {self.clients} --csv"
        output = shell(f"redis-benchmark {self._where()} {self._login('-a ')} {load} 2>/dev/null")
        rates = {row[0]: float(row[1]) for row in csv.reader(output.splitlines()) if row and row[0] in ("SET", "GET")}
        return {f"redis-benchmark {name}": rate for name, rate in rates.items()}

    def worst_mb(self) -> float | None:
        limit = int(self.cli("CONFIG GET maxmemory").split()[-1]) / (1 << 20)
        saves = "yes" in self.cli("CONFIG GET appendonly")
        return (limit * 2 if saves else limit / 0.8) + 8 if limit else None


STORES = {store.name: store for store in (Postgres, MariaDb, Redis)}
