# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of an endpoint and what came back, as plain data. Times are in seconds unless a name says ms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

READING_METHODS = ("GET", "HEAD", "OPTIONS")
REQUEST_SECONDS = 10.0
"""How long a request may take when its check gives no ``max_seconds``."""


class ProbeError(Exception):
    """What was asked for makes no sense, or cannot be done on this machine; the text says what to change."""


@dataclass(frozen=True)
class Address:
    """Where to connect: a TCP ``host`` and ``port``, or a unix socket's ``path``."""

    host: str = ""
    port: int = 0
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Target:
    """An endpoint.

    ``url`` is the scheme, host, port and path prefix that users see: it gives the Host
    header and the TLS server name. ``address`` is where the connection really goes.
    ``verify`` is False, True (the system's authorities) or the path of a file of authorities.
    """

    url: str
    address: Address
    verify: bool | str = True


@dataclass(frozen=True)
class JsonRule:
    """What must be found at one ``path`` of a JSON answer; ``operator`` is equals, exists, matches or length."""

    path: str
    keys: tuple[str, ...]
    operator: str
    value: Any


@dataclass(frozen=True)
class Check:
    """One request and everything its answer must fulfil; ``json`` and ``body`` are what is sent."""

    name: str
    path: str = "/"
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes | None = None
    status: tuple[int, ...] = (200,)
    expect_headers: dict[str, str] = field(default_factory=dict)
    expect_json: tuple[JsonRule, ...] = ()
    contains: str | None = None
    max_seconds: float | None = None

    @property
    def only_reads(self) -> bool:
        return self.method in READING_METHODS

    @property
    def limit_seconds(self) -> float:
        return self.max_seconds or REQUEST_SECONDS


@dataclass(frozen=True)
class Failure:
    """Why no answer came; ``kind`` is name, refused, socket, timeout, tls, closed or other."""

    kind: str
    text: str

    @property
    def sent_nothing(self) -> bool:
        """True when the request certainly never reached the application."""
        return self.kind in ("name", "refused", "socket", "tls")


@dataclass(frozen=True)
class Answer:
    """What came back; ``status`` is 0 and ``failure`` is set when no complete answer came."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    failure: Failure | None = None


@dataclass(frozen=True)
class Finding:
    """One demand on an answer and how it was met."""

    passed: bool
    wanted: str
    got: str


@dataclass(frozen=True)
class CheckResult:
    """The verdict on one check.

    ``wanted`` and ``got`` tell of the failed demands only, or of all when all were met.
    ``body`` is the start of the answer of a failed check, ``hint`` what to look at next.
    """

    name: str
    passed: bool
    wanted: str
    got: str
    body: str = ""
    hint: str = ""
    skipped: bool = False
    seconds: float | None = None
    tries: int = 1

    @property
    def failed(self) -> bool:
        return not self.passed and not self.skipped


@dataclass(frozen=True)
class Load:
    """A bounded load: ``requests`` of ``check`` over ``concurrency`` connections, none begun after ``max_seconds``.

    Thresholds that are None are not judged; ``max_error_rate`` is a fraction from 0 to 1.
    """

    check: Check
    requests: int
    concurrency: int
    max_seconds: float
    max_error_rate: float = 0.0
    max_p50_ms: float | None = None
    max_p95_ms: float | None = None
    max_p99_ms: float | None = None
    min_requests_per_second: float | None = None


@dataclass(frozen=True)
class LoadReport:
    """What a load measured. Latencies are those of the right answers; None when there were none."""

    requests: int
    errors: int
    error_rate: float
    seconds: float
    requests_per_second: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    stopped_by: str
    error_kinds: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """Everything that one look at an endpoint does; ``retry_seconds`` 0 means that nothing is tried again."""

    target: Target
    checks: tuple[Check, ...] = ()
    load: Load | None = None
    timeout_seconds: float = 30.0
    retry_seconds: float = 0.0


@dataclass(frozen=True)
class ProbeReport:
    """The verdicts, those on the load's thresholds included, and what the load measured (None: none was sent)."""

    checks: tuple[CheckResult, ...]
    load: LoadReport | None = None

    @property
    def passed(self) -> bool:
        return not any(check.failed for check in self.checks)
