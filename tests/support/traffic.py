# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic that never lets go: it judges whether a hand-over lost, cut or garbled anything.

Clients POST to ``/echo`` over keep-alive connections, readers follow ``/stream`` to its end
and holders keep a WebSocket open on ``/ws`` (the endpoints of the demo apps; an ``Exchange``
says what clients of another app POST). Nothing is ever sent twice: what a browser or a pool
would quietly repeat counts as a failure here.
Only the address that it is given is contacted, and it stops by itself.

    with Traffic("http://10.89.0.5", host="demo.example.test", clients=8, streams=2) as traffic:
        deploy()
    traffic.report().assert_clean(minimum_requests=1000)

From a shell: ``python3 tests/support/traffic.py http://10.89.0.5 --host demo.example.test --seconds 30``
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import http.client
import json
import os
import select
import signal
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

MAX_FAILURES_KEPT = 1000
PAUSE_AFTER_FAILURE_SECONDS = 0.05
FIRST_ANSWER_SECONDS = 5.0
REENTRY_SECONDS = 1.5
"""A release that was silent this long and answers again is a new entry in the order of releases."""
WEBSOCKET_KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
POLITE_WEBSOCKET_CLOSES = (1000, 1001, 1012)  # normal, going away, service restart
TEXT_FRAME, CLOSE_FRAME, PING_FRAME, PONG_FRAME = 0x1, 0x8, 0x9, 0xA
MAX_FRAME_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Failure:
    """One thing that a user would have noticed. ``second`` counts from the start, ``clock`` is local time."""

    second: float
    clock: str
    connection: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.clock} (second {self.second:.3f}) {self.connection}: {self.kind}: {self.text}"


@dataclass(frozen=True)
class Report:
    """What happened. ``requests`` counts answered and failed POSTs; latencies are in milliseconds.
    ``max_stream_pause_ms`` is the longest wait for a stream's next event: a proxy that buffers shows there.

    ``versions`` and ``releases`` are those that answered, in order; one that comes back after
    a pause (a rollback) is listed again. ``stopped_by`` is caller, max_seconds, max_requests or None.
    """

    seconds: float
    requests: int
    failed: int
    failures: list[Failure]
    max_latency_ms: float
    p50_latency_ms: float
    p99_latency_ms: float
    connections: int
    streams_completed: int
    max_stream_pause_ms: float
    websocket_messages: int
    websocket_reconnects: int
    versions: list[str]
    releases: list[str]
    answers_by_release: dict[str, int]
    stopped_by: str | None

    @property
    def kinds(self) -> dict[str, int]:
        """How often each kind of failure happened (of those kept)."""
        return dict(Counter(failure.kind for failure in self.failures))

    def assert_clean(self, minimum_requests: int, minimum_streams: int = 0) -> None:
        """Raise ``AssertionError`` unless everything asked for was answered rightly, and enough was asked."""
        if self.failed:
            shown = "\n  ".join(str(failure) for failure in self.failures[:10])
            raise AssertionError(f"{self.failed} failures in {self.requests} requests {self.kinds}:\n  {shown}")
        if self.stopped_by in ("max_seconds", "max_requests"):
            raise AssertionError(f"the traffic ended by {self.stopped_by} before its caller did: raise that limit")
        if self.requests < minimum_requests:
            raise AssertionError(f"only {self.requests} requests: fewer than {minimum_requests} prove nothing")
        if self.streams_completed < minimum_streams:
            raise AssertionError(f"only {self.streams_completed} whole streams, not {minimum_streams}")

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "kinds": self.kinds}

    def __str__(self) -> str:
        lines = [
            f"{self.requests} requests in {self.seconds:.1f} s, {self.connections} connections, {self.failed} failed",
            f"latency ms: p50 {self.p50_latency_ms:.1f}, p99 {self.p99_latency_ms:.1f}, max {self.max_latency_ms:.1f}",
            f"whole streams: {self.streams_completed} (longest pause {self.max_stream_pause_ms:.0f} ms), "
            f"WebSocket messages: {self.websocket_messages}",
            f"versions: {' -> '.join(self.versions) or 'none seen'}",
            f"releases: {' -> '.join(self.releases) or 'none seen'}",
        ]
        return "\n".join([*lines, *(f"  {failure}" for failure in self.failures[:20])])


@dataclass(frozen=True)
class Endpoint:
    """Where the traffic goes: ``address`` is connected to, ``name`` is the Host header and TLS server name."""

    address: tuple[str, int]
    name: str
    prefix: str = ""
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, url: str, host: str | None, tls_verify: bool, ca_file: str | None) -> Endpoint:
        """Read a URL. Raises ``ValueError`` when it is none."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} must look like http://ADDRESS:PORT")
        context = None
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=ca_file)
            context.check_hostname = tls_verify
            context.verify_mode = ssl.CERT_REQUIRED if tls_verify else ssl.CERT_NONE
        port = parts.port or (443 if context else 80)
        return cls((parts.hostname, port), host or parts.netloc, parts.path.rstrip("/"), context)

    def connect(self, timeout: float) -> socket.socket:
        plain = socket.create_connection(self.address, timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is None:
            return plain
        return self.tls.wrap_socket(plain, server_hostname=self.name.split(":")[0])


@dataclass(frozen=True)
class Exchange:
    """What clients POST: ``message`` makes it of the client's name and a number; ``wrong`` says what is wrong with the
    answer to a message, or None."""

    path: str
    message: Callable[[str, int], dict[str, Any]]
    wrong: Callable[[Mapping[str, Any], Mapping[str, Any]], str | None]


def _numbered(client: str, number: int) -> dict[str, Any]:
    return {"client": client, "number": number, "text": "ñ€"}


def _no_echo(message: Mapping[str, Any], answer: Mapping[str, Any]) -> str | None:
    digest = hashlib.sha256(_encode(message)).hexdigest()
    right = answer.get("sha256") == digest and answer.get("received") == message
    return None if right else f"not an echo of {message}"


ECHO = Exchange("/echo", _numbered, _no_echo)


class Broken(Exception):  # noqa: N818 - it is no programming error but an observation
    """Something failed; ``kind`` is one word for counting."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Traffic:
    """Clients, stream readers and WebSocket holders that run until the ``with`` block ends, or a limit is reached.

    ``rate`` bounds the requests per second of each client (0: as fast as it goes).
    ``idle_close_fails`` counts a keep-alive connection that the server closed unannounced
    between two requests as a failure: the next POST would have been lost.
    """

    def __init__(
        self,
        url: str,
        *,
        host: str | None = None,
        clients: int = 8,
        streams: int = 0,
        websockets: int = 0,
        rate: float = 200.0,
        max_seconds: float = 600.0,
        max_requests: int = 1_000_000,
        timeout: float = 30.0,
        stream_seconds: float = 3.0,
        stream_interval: float = 0.1,
        idle_close_fails: bool = True,
        tls_verify: bool = True,
        ca_file: str | None = None,
        exchange: Exchange = ECHO,
    ) -> None:
        self._exchange = exchange
        self._endpoint = Endpoint.of(url, host, tls_verify, ca_file)
        self._interval = 1 / rate if rate > 0 else 0.0
        self._max_seconds = max_seconds
        self._max_requests = max_requests
        self._timeout = timeout
        self._stream_path = f"/stream?seconds={stream_seconds:g}&interval={stream_interval:g}"
        self._idle_close_fails = idle_close_fails
        self._log = _Log()
        self._stopping = threading.Event()
        self._stopped_by: str | None = None
        jobs: list[tuple[str, Callable[[str], None]]] = [
            *((f"client {number}", self._post_forever) for number in range(1, clients + 1)),
            *((f"stream {number}", self._read_streams) for number in range(1, streams + 1)),
            *((f"websocket {number}", self._hold_websocket) for number in range(1, websockets + 1)),
        ]
        self._first_answers = {name: threading.Event() for name, _unused in jobs}
        self._threads = [
            threading.Thread(target=self._guard, args=(job, name), name=name, daemon=True) for name, job in jobs
        ]

    def __enter__(self) -> Traffic:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and return when every connection has been answered or has failed once."""
        self._log.start()
        for thread in self._threads:
            thread.start()
        end = time.monotonic() + FIRST_ANSWER_SECONDS
        for event in self._first_answers.values():
            event.wait(max(0.0, end - time.monotonic()))

    def stop(self) -> None:
        """End politely: requests and streams under way are finished and judged."""
        self._stop("caller")
        for thread in self._threads:
            thread.join(self._timeout + 5)
            if thread.is_alive():
                self._log.fail(thread.name, Broken("stuck", "did not end: still waiting for its answer"))
        self._log.end()

    def wait(self, seconds: float) -> None:
        """Let it run for that long, or until a limit of its own is reached."""
        self._stopping.wait(seconds)

    def report(self) -> Report:
        return self._log.report(self._stopped_by)

    def _stop(self, by: str) -> None:
        if not self._stopping.is_set():
            self._stopped_by = by
            self._stopping.set()

    def _going_on(self) -> bool:
        if self._log.elapsed() > self._max_seconds:
            self._stop("max_seconds")
        if self._log.requests >= self._max_requests:
            self._stop("max_requests")
        return not self._stopping.is_set()

    def _guard(self, job: Callable[[str], None], name: str) -> None:
        """Run a job; a defect of this client must never look like a clean run."""
        try:
            job(name)
        except Exception as error:
            self._log.fail(name, Broken("client", f"{type(error).__name__}: {error}"))
        finally:
            self._first_answers[name].set()

    def _failed(self, name: str, error: Broken) -> None:
        self._log.fail(name, error)
        self._first_answers[name].set()
        self._stopping.wait(PAUSE_AFTER_FAILURE_SECONDS)

    # --- POST ---

    def _post_forever(self, name: str) -> None:
        connection = _Connection(self._endpoint, self._timeout, self._log)
        number, due = 0, time.monotonic()
        while self._going_on():
            number += 1
            try:
                self._post(connection, name, number)
                self._first_answers[name].set()
            except Broken as error:
                connection.close()
                self._failed(name, error)
            due = max(time.monotonic(), due + self._interval)
            self._stopping.wait(due - time.monotonic()) if self._interval else None
        connection.close()

    def _post(self, connection: _Connection, name: str, number: int) -> None:
        if connection.closed_by_server():
            connection.close()
            if self._idle_close_fails:
                raise Broken("idle close", "the server closed a keep-alive connection without announcing it")
        message = self._exchange.message(name, number)
        self._log.count_request()
        started = time.monotonic()
        response = connection.request("POST", self._exchange.path, _encode(message))
        content = connection.read(response)
        seconds = time.monotonic() - started
        _demand_status(response, content)
        answer = _decode(content)
        wrong = self._exchange.wrong(message, answer)
        if wrong:
            raise Broken("wrong", f"{wrong}: {_excerpt(content)}")
        self._log.answered(seconds, _label(answer, response, "version"), _label(answer, response, "release"))

    # --- GET /stream ---

    def _read_streams(self, name: str) -> None:
        while self._going_on():
            connection = _Connection(self._endpoint, self._timeout, self._log)
            try:
                response = connection.request("GET", self._stream_path, None, {"Connection": "close"})
                if response.status != 200:
                    _demand_status(response, connection.read(response))
                self._first_answers[name].set()
                _follow(self._timed(_events(connection, response)))
                self._log.stream_completed()
            except Broken as error:
                self._failed(name, error)
            finally:
                connection.close()

    def _timed(self, events: Iterator[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, dict[str, Any]]]:
        since = time.monotonic()
        for event in events:
            self._log.stream_paused(time.monotonic() - since)
            yield event
            since = time.monotonic()

    # --- WebSocket /ws ---

    def _hold_websocket(self, name: str) -> None:
        while self._going_on():
            try:
                with _WebSocket(self._endpoint, self._timeout) as held:
                    self._talk(held, name)
            except Broken as error:
                if error.kind == "going away":
                    self._log.websocket_moved()
                    self._first_answers[name].set()
                    self._stopping.wait(PAUSE_AFTER_FAILURE_SECONDS)
                else:
                    self._failed(name, error)

    def _talk(self, held: _WebSocket, name: str) -> None:
        number = 0
        while self._going_on():
            number += 1
            text = f"{name} message {number}"
            held.send(TEXT_FRAME, text.encode())
            answer = held.receive_text()
            if answer != text:
                raise Broken("wrong", f"sent {text!r}, got {answer!r}")
            self._log.websocket_message()
            self._first_answers[name].set()
            self._stopping.wait(0.1)
        held.say_goodbye()


class _Log:
    """What the threads saw; every method may be called from any of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._seconds: float | None = None
        self.requests = 0
        self._connections = 0
        self._streams = 0
        self._stream_pause = 0.0
        self._websocket_messages = 0
        self._websocket_reconnects = 0
        self._failed = 0
        self._failures: list[Failure] = []
        self._latencies: list[float] = []
        self._versions = _Order()
        self._releases = _Order()

    def start(self) -> None:
        self._started = time.monotonic()

    def end(self) -> None:
        self._seconds = self._seconds or self.elapsed()

    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def count_request(self) -> None:
        with self._lock:
            self.requests += 1

    def connected(self) -> None:
        with self._lock:
            self._connections += 1

    def stream_completed(self) -> None:
        with self._lock:
            self._streams += 1

    def stream_paused(self, seconds: float) -> None:
        with self._lock:
            self._stream_pause = max(self._stream_pause, seconds)

    def websocket_message(self) -> None:
        with self._lock:
            self._websocket_messages += 1

    def websocket_moved(self) -> None:
        with self._lock:
            self._websocket_reconnects += 1

    def answered(self, seconds: float, version: str | None, release: str | None) -> None:
        with self._lock:
            self._latencies.append(seconds * 1000)
            self._versions.saw(version, self.elapsed())
            self._releases.saw(release, self.elapsed())

    def fail(self, connection: str, error: Broken) -> None:
        failure = Failure(round(self.elapsed(), 3), time.strftime("%H:%M:%S"), connection, error.kind, str(error))
        with self._lock:
            self._failed += 1
            if len(self._failures) < MAX_FAILURES_KEPT:
                self._failures.append(failure)

    def report(self, stopped_by: str | None) -> Report:
        with self._lock:
            ordered = sorted(self._latencies) or [0.0]
            return Report(
                seconds=round(self._seconds or self.elapsed(), 3),
                requests=self.requests,
                failed=self._failed,
                failures=list(self._failures),
                max_latency_ms=round(ordered[-1], 2),
                p50_latency_ms=round(ordered[(len(ordered) - 1) // 2], 2),
                p99_latency_ms=round(ordered[(len(ordered) - 1) * 99 // 100], 2),
                connections=self._connections,
                streams_completed=self._streams,
                max_stream_pause_ms=round(self._stream_pause * 1000, 2),
                websocket_messages=self._websocket_messages,
                websocket_reconnects=self._websocket_reconnects,
                versions=list(self._versions.order),
                releases=list(self._releases.order),
                answers_by_release=dict(self._releases.counts),
                stopped_by=stopped_by,
            )


@dataclass
class _Order:
    """Labels in the order in which they answered; two that answer side by side for a while appear once each."""

    order: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)

    def saw(self, label: str | None, second: float) -> None:
        if label is None:
            return
        away = second - self._last.get(label, float("-inf"))
        if away > REENTRY_SECONDS and self.order[-1:] != [label]:
            self.order.append(label)
        self._last[label] = second
        self.counts[label] = self.counts.get(label, 0) + 1


class _Connection:
    """A keep-alive connection: connects when it must, sends nothing twice, turns every trouble into ``Broken``."""

    def __init__(self, endpoint: Endpoint, timeout: float, log: _Log) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._log = log
        self._http = http.client.HTTPConnection(endpoint.name)
        self._http.auto_open = 0

    def closed_by_server(self) -> bool:
        """True when the other side has hung up (or sent something unasked) since the last answer."""
        connection: socket.socket | None = self._http.sock
        if connection is None or not select.select([connection], [], [], 0)[0]:
            return False
        connection.settimeout(0)
        try:
            connection.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            connection.settimeout(self._timeout)
            return False  # TLS housekeeping
        except OSError:
            return True
        return True

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """Send one request and return its response, of which only the head has been read."""
        if self._http.sock is None:
            self._http.sock = _connect(self._endpoint, self._timeout)
            self._log.connected()
        kind = {"Content-Type": "application/json"} if body else {}
        with _observed():
            self._http.request(method, self._endpoint.prefix + path, body, {**kind, **(headers or {})})
            return self._http.getresponse()

    def read(self, response: http.client.HTTPResponse) -> bytes:
        with _observed():
            return response.read()

    def read_lines(self, response: http.client.HTTPResponse) -> Iterator[str]:
        """Yield the answer's lines as they come; ``readline`` would hide that the last chunk is missing."""
        rest = b""
        with _observed():
            while data := response.read1(65536):
                *lines, rest = (rest + data).split(b"\n")
                yield from (line.decode("utf-8", "replace").rstrip("\r") for line in lines)
        if rest:
            raise Broken("cut", f"the stream ended inside a line: {_excerpt(rest)}")

    def close(self) -> None:
        self._http.close()


def _connect(endpoint: Endpoint, timeout: float) -> socket.socket:
    try:
        return endpoint.connect(timeout)
    except ConnectionRefusedError as error:
        raise Broken("refused", f"{endpoint.address}: {error}") from error
    except socket.timeout as error:
        raise Broken("timeout", f"no connection to {endpoint.address} in {timeout:g} s") from error
    except OSError as error:
        raise Broken("connect", f"{endpoint.address}: {error}") from error


@contextlib.contextmanager
def _observed() -> Iterator[None]:
    """Name what went wrong while a request was under way."""
    try:
        yield
    except http.client.RemoteDisconnected as error:
        raise Broken("closed", "the server closed the connection with a request under way") from error
    except (ConnectionResetError, BrokenPipeError) as error:
        raise Broken("reset", f"with a request under way: {error}") from error
    except http.client.IncompleteRead as error:
        raise Broken("cut", f"the answer ended early: {error}") from error
    except socket.timeout as error:
        raise Broken("timeout", "no answer in time") from error
    except (http.client.HTTPException, ValueError, OSError) as error:
        raise Broken("garbled", f"{type(error).__name__}: {error}") from error


def _demand_status(response: http.client.HTTPResponse, content: bytes) -> None:
    if response.status != 200:
        raise Broken("status", f"{response.status} {response.reason}: {_excerpt(content)}")


def _encode(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode()


def _decode(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        raise Broken("wrong", f"not JSON: {_excerpt(content)}") from None
    if not isinstance(answer, dict):
        raise Broken("wrong", f"not a JSON object: {_excerpt(content)}")
    return answer


def _label(answer: Mapping[str, Any], response: http.client.HTTPResponse, what: str) -> str | None:
    found = answer.get(what) or response.headers.get(f"X-{what.capitalize()}")
    return None if found is None else str(found)


def _excerpt(content: bytes) -> str:
    return " ".join(content[:400].decode("utf-8", "replace").split())[:200]


def _events(connection: _Connection, response: http.client.HTTPResponse) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each server-sent event's name and data."""
    fields: dict[str, str] = {}
    for text in connection.read_lines(response):
        if text:
            name, _unused, value = text.partition(":")
            fields[name] = value.strip()
        elif fields:
            yield fields.get("event", ""), _decode(fields.get("data", "").encode())
            fields = {}
    if fields:
        raise Broken("cut", f"the stream ended inside an event: {fields}")


def _follow(events: Iterator[tuple[str, dict[str, Any]]]) -> None:
    """Demand events 1, 2, 3 … and then ``done`` as the last one."""
    count = 0
    done = False
    for name, data in events:
        if done:
            raise Broken("wrong", f"an event after done: {name} {data}")
        if name == "done":
            done = True
            if data.get("events") != count:
                raise Broken("wrong", f"done speaks of {data.get('events')} events, {count} came")
        else:
            count += 1
            if data.get("number") != count:
                raise Broken("wrong", f"event {data.get('number')} came where {count} was due")
    if not done:
        raise Broken("cut", f"the stream ended after event {count} without done")


class _WebSocket:
    """One WebSocket (RFC 6455) on ``/ws``; a close that the server announces is ``Broken("going away")``."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self._socket = _connect(endpoint, timeout)
        self._buffer = b""
        with _observed():
            self._shake_hands(endpoint)

    def __enter__(self) -> _WebSocket:
        return self

    def __exit__(self, *_unused: object) -> None:
        self._socket.close()

    def _shake_hands(self, endpoint: Endpoint) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {endpoint.prefix}/ws HTTP/1.1\r\nHost: {endpoint.name}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _unused, self._buffer = self._buffer.partition(b"\r\n\r\n")
        accept = base64.b64encode(hashlib.sha1(f"{key}{WEBSOCKET_KEY_SUFFIX}".encode()).digest())
        if b" 101 " not in head.split(b"\r\n")[0] or accept not in head:
            raise Broken("status", f"no WebSocket: {_excerpt(head)}")

    def _fill(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise Broken("closed", "the server closed the WebSocket without saying so")
        self._buffer += data

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def send(self, kind: int, payload: bytes) -> None:
        """Send one short frame (at most 125 bytes)."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        with _observed():
            self._socket.sendall(bytes([0x80 | kind, 0x80 | len(payload)]) + mask + masked)

    def receive_text(self) -> str:
        """Return the next text message; pings are answered."""
        while True:
            kind, payload = self._receive()
            if kind == TEXT_FRAME:
                return payload.decode("utf-8", "replace")
            if kind == PING_FRAME:
                self.send(PONG_FRAME, payload)
            if kind == CLOSE_FRAME:
                code = int.from_bytes(payload[:2], "big")
                polite = code in POLITE_WEBSOCKET_CLOSES
                raise Broken("going away" if polite else "closed", f"the server closed the WebSocket with code {code}")

    def _receive(self) -> tuple[int, bytes]:
        with _observed():
            first, length = self._take(2)
            if length == 126:
                length = int.from_bytes(self._take(2), "big")
            elif length == 127:
                length = int.from_bytes(self._take(8), "big")
            if length > MAX_FRAME_BYTES:
                raise Broken("garbled", f"a WebSocket frame of {length} bytes")
            return first & 0x0F, self._take(length)

    def say_goodbye(self) -> None:
        """Close as the protocol wants it: a close frame each way."""
        self.send(CLOSE_FRAME, (1000).to_bytes(2, "big"))
        with contextlib.suppress(Broken):
            while self._receive()[0] != CLOSE_FRAME:
                pass


def main() -> int:
    """Run from a shell; the exit status is 1 when anything failed."""
    options = _parser().parse_args()
    if options.ca_file and not Path(options.ca_file).is_file():
        sys.exit(f"--ca-file: {options.ca_file!r} is not a file")
    traffic = Traffic(
        options.url,
        host=options.host,
        clients=options.clients,
        streams=options.streams,
        websockets=options.websockets,
        rate=options.rate,
        max_seconds=options.seconds + 60,
        timeout=options.timeout,
        tls_verify=not options.insecure,
        ca_file=options.ca_file,
    )
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_unused: ended.set())
    with traffic:
        _watch(traffic, ended, options.seconds)
    report = traffic.report()
    print(json.dumps(report.to_dict(), indent=2) if options.json else report)
    return 1 if report.failed or not report.requests else 0


def _watch(traffic: Traffic, ended: threading.Event, seconds: float) -> None:
    """Tell on stderr how it goes, every five seconds."""
    end = time.monotonic() + seconds
    while not ended.is_set() and time.monotonic() < end:
        ended.wait(min(5.0, max(0.0, end - time.monotonic())))
        now = traffic.report()
        last = now.releases[-1:] or now.versions[-1:] or ["nobody yet"]
        print(f"{now.seconds:5.0f} s: {now.requests} requests, {now.failed} failed, {last[0]} answers", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Send traffic without pause and tell of every failed request.")
    parser.add_argument("url", help="http://ADDRESS[:PORT] of an app with the demo's /echo, /stream and /ws")
    parser.add_argument("--host", help="name to ask for, when it is not the URL's")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=8, help="keep-alive connections that POST to /echo")
    parser.add_argument("--streams", type=int, default=0, help="readers of /stream")
    parser.add_argument("--websockets", type=int, default=0, help="holders of a WebSocket on /ws")
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second of each client, 0: no limit")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds to wait for an answer")
    parser.add_argument("--insecure", action="store_true", help="accept any certificate")
    parser.add_argument("--ca-file", help="file of authorities to trust")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
