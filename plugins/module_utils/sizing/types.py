# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into a plan and what comes out of it, as plain data.

Memory is in MiB (``_mb``) unless a name says otherwise, time in seconds, CPU in units of the
machine's fastest processor (as ``hardware.types.Cpu.capacity``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SERVICES = ("metrics", "mysql", "nginx", "pgbouncer", "postgres", "redis")
DATABASES = ("postgres", "mysql")


@dataclass(frozen=True)
class Given:
    """A value that the user chose, and the variable in which it was found."""

    value: Any
    origin: str


@dataclass(frozen=True)
class Measured:
    """What one worker of the current release was seen to use at rest and at its peak (MiB), None when it does not run.

    ``planned_mb`` is what it was planned with; ``hours`` how long it has run, None when the user gave the number.
    """

    planned_mb: int | None = None
    rest_mb: int | None = None
    peak_mb: int | None = None
    hours: float | None = None


@dataclass(frozen=True)
class AppWorkload:
    """One application and what is known about its requests.

    ``where`` is the variable's path for messages (``webstack_apps[0]``). ``workload`` is llm, io,
    mixed or cpu; ``interface`` asgi or wsgi; ``databases`` those of postgres and mysql that the app
    uses, ``vector`` whether with pgvector. ``handover`` is auto, side_by_side or socket; ``keep_warm``
    is None for auto.
    """

    name: str
    where: str
    workload: str
    framework: str
    interface: str
    worker_class: str
    worker_class_origin: str
    declared_mb: int | None = None
    measured: Measured | None = None
    requests_per_second: float | None = None
    seconds_per_request: float | None = None
    longest_request_seconds: int | None = None
    handover: str = "auto"
    keep_warm: bool | None = None
    databases: tuple[str, ...] = ()
    vector: bool = False

    @property
    def concurrency(self) -> float | None:
        """Requests under way at one time: Little's law, rate times duration."""
        if self.requests_per_second is None or self.seconds_per_request is None:
            return None
        return self.requests_per_second * self.seconds_per_request


@dataclass(frozen=True)
class HostWorkload:
    """Everything that one host has to carry.

    ``given`` maps dotted paths of the plan (``nginx.worker_processes``) to the user's own values;
    ``remote_clients`` a database to the connections that apps on other hosts may open to it. ``redis_use`` is
    ``store``, which is saved, or ``cache``, which is not. ``remote_vector`` says that those apps use pgvector.
    """

    apps: tuple[AppWorkload, ...] = ()
    services: tuple[str, ...] = ()
    reserved_memory_mb: int = 0
    reserved_cpus: float = 0.0
    remote_clients: Mapping[str, int] = field(default_factory=dict)
    given: Mapping[str, Given] = field(default_factory=dict)
    redis_use: str = "store"
    remote_vector: bool = False

    @property
    def vector(self) -> bool:
        """Whether an app uses pgvector, here or from another host."""
        return self.remote_vector or any(app.vector for app in self.apps)


@dataclass(frozen=True)
class GunicornPlan:
    """gunicorn's settings for one application, and the limits of its slice.

    ``memory_max_mb`` bounds the whole slice: both generations of workers when ``handover`` is
    ``side_by_side``. ``pool_size`` and ``pool_max_overflow`` are per worker, None without a database;
    ``connections`` is what all workers of all generations may open together. ``allowed_cpus`` are the CPUs of the
    slice in the kernel's notation (``4-7``), or ``all``.
    """

    interface: str
    worker_class: str
    workers: int
    threads: int
    worker_connections: int
    max_requests: int
    max_requests_jitter: int
    timeout: int
    graceful_timeout: int
    keepalive: int
    preload: bool
    backlog: int
    memory_per_worker_mb: int
    memory_max_mb: int
    pool_size: int | None
    pool_max_overflow: int | None
    connections: int
    handover: str
    keep_warm: bool
    drain_seconds: int
    allowed_cpus: str


@dataclass(frozen=True)
class NginxPlan:
    """nginx's settings; connections and keep-alive are per worker process."""

    worker_processes: int
    worker_connections: int
    worker_rlimit_nofile: int
    upstream_keepalive: int


@dataclass(frozen=True)
class RedisPlan:
    """Redis' settings."""

    maxmemory_mb: int
    maxclients: int
    io_threads: int


@dataclass(frozen=True)
class PostgresPlan:
    """PostgreSQL's settings, named as in postgresql.conf; ``effective_cache_size`` reserves no memory."""

    max_connections: int
    superuser_reserved_connections: int
    shared_buffers_mb: int
    effective_cache_size_mb: int
    work_mem_kb: int
    maintenance_work_mem_mb: int
    autovacuum_work_mem_mb: int
    autovacuum_max_workers: int
    max_worker_processes: int
    max_parallel_workers: int
    max_parallel_workers_per_gather: int
    max_parallel_maintenance_workers: int
    min_wal_size_mb: int
    max_wal_size_mb: int
    random_page_cost: float
    effective_io_concurrency: int
    huge_pages: str


@dataclass(frozen=True)
class PgbouncerPlan:
    """PgBouncer's settings; ``server_connections`` is what all pools may open to PostgreSQL together."""

    max_client_conn: int
    default_pool_size: int
    reserve_pool_size: int
    max_db_connections: int
    server_connections: int


@dataclass(frozen=True)
class MysqlPlan:
    """Settings of MySQL or MariaDB, named as in my.cnf."""

    max_connections: int
    innodb_buffer_pool_size_mb: int
    innodb_log_file_size_mb: int
    innodb_io_capacity: int
    tmp_table_size_mb: int
    table_open_cache: int
    thread_cache_size: int
    performance_schema: bool


@dataclass(frozen=True)
class MetricsPlan:
    """Memory limits (MiB) of the exporters of this host's metrics; None for one whose service is not here."""

    node_memory_max_mb: int
    nginx_memory_max_mb: int | None
    redis_memory_max_mb: int | None
    postgres_memory_max_mb: int | None
    mysql_memory_max_mb: int | None
    apps_memory_max_mb: int | None


@dataclass(frozen=True)
class KernelPlan:
    """sysctl settings (``vm.overcommit_memory``, ``net.core.somaxconn``, ...) and the units' LimitNOFILE."""

    overcommit_memory: int
    somaxconn: int
    swappiness: int
    nr_hugepages: int
    open_files: int


@dataclass(frozen=True)
class MemoryLine:
    """One line of the memory budget."""

    consumer: str
    mb: int


@dataclass(frozen=True)
class Plan:
    """The plan of one host. ``services`` holds a settings object for each service on it."""

    gunicorn: Mapping[str, GunicornPlan]
    services: Mapping[str, Any]
    memory: tuple[MemoryLine, ...]
    reasons: Mapping[str, str]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the ``sizing`` fact. Services that are not on this host have no key."""
        return {
            "gunicorn": {name: asdict(app) for name, app in self.gunicorn.items()},
            **{name: asdict(settings) for name, settings in self.services.items()},
            "memory": [{"for": line.consumer, "mb": line.mb} for line in self.memory],
            "reasons": dict(self.reasons),
            "warnings": list(self.warnings),
        }
