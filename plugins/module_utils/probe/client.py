# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send one request and bring back its whole answer, or why there is none."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .types import Address, Answer, Check, Failure, ProbeError, Target

try:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import disable_warnings
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.exceptions import InsecureRequestWarning

    REQUESTS_MISSING: str | None = None
except ImportError as error:
    REQUESTS_MISSING = str(error)

MAX_BODY_BYTES = 10 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
WATCH_SECONDS = 0.1


class Client:
    """One keep-alive connection to a target. It follows no redirect, repeats nothing and uses no proxy."""

    def __init__(self, target: Target) -> None:
        """Raise ``ProbeError`` where the library requests, or the file of authorities, is missing."""
        if REQUESTS_MISSING is not None:
            raise ProbeError(
                f"{sys.executable} has no library requests ({REQUESTS_MISSING}). Install Debian's python3-requests "
                "on the machine that checks, or pip's requests for that interpreter."
            )
        if isinstance(target.verify, str) and not Path(target.verify).is_file():
            raise ProbeError(f"ca_file: {target.verify!r} is not a file on the machine that checks")
        if target.verify is False:
            disable_warnings(InsecureRequestWarning)
        self._target = target
        self._session = requests.Session()
        self._session.trust_env = False
        self._watchdog = _Watchdog()
        adapter = _adapter(target.address, self._watchdog)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def send(self, check: Check, limit_seconds: float) -> Answer:
        """Send the check's request; an answer that is not complete after ``limit_seconds`` is a failure."""
        started = time.monotonic()
        self._watchdog.guard(started + limit_seconds)
        try:
            with self._session.request(
                check.method,
                self._target.url + check.path,
                headers=check.headers,
                data=check.data,
                timeout=limit_seconds,
                verify=self._target.verify,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = _read(response)
                if self._watchdog.release():
                    raise _TooMuchError("timeout", f"an answer (status {response.status_code}) not complete in time")
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, headers, body, time.monotonic() - started)
        except (requests.RequestException, OSError, ValueError, _TooMuchError) as error:
            if self._watchdog.release() and not isinstance(error, _TooMuchError):
                error = socket.timeout("timed out")
            failure = _failure(error, self._target.address, limit_seconds)
            return Answer(seconds=time.monotonic() - started, failure=failure)

    def close(self) -> None:
        self._watchdog.close()
        self._session.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()


class _TooMuchError(Exception):
    """The answer goes on for longer, or for more bytes, than a check reads."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def _read(response: requests.Response) -> bytes:
    response.raw.enforce_content_length = True  # older urllib3 (Debian 12) takes a cut body for a whole one
    body = bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _TooMuchError("other", f"a body of more than {MAX_BODY_BYTES} bytes")
    return bytes(body)


class _Watchdog:
    """Ends a request at its deadline: a socket's own timeout starts anew with every byte that dribbles in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._deadline: float | None = None
        self._fired = False
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def guard(self, deadline: float) -> None:
        with self._lock:
            self._deadline, self._fired = deadline, False

    def release(self) -> bool:
        """End the guard; True when the deadline had passed and the connection was cut."""
        with self._lock:
            self._deadline = None
            return self._fired

    def connected(self, connection: socket.socket | None) -> None:
        with self._lock:
            self._socket = connection

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_SECONDS):
            with self._lock:
                if self._deadline is None or self._socket is None or time.monotonic() < self._deadline:
                    continue
                self._fired = True
                with contextlib.suppress(OSError):
                    # Not the TLS socket's own shutdown: it would pull its state from under the reader.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _dial(address: Address, timeout: Any) -> socket.socket:
    seconds = timeout if isinstance(timeout, (int, float)) else None
    if address.path is None:
        return socket.create_connection((address.host, address.port), seconds)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(seconds)
    try:
        connection.connect(address.path)
    except OSError:
        connection.close()
        raise
    return connection


def _adapter(address: Address, watchdog: _Watchdog) -> HTTPAdapter:
    """Return an adapter that connects to ``address`` while the URL gives Host header and TLS server name."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _dial(address, self.timeout)

        def connect(self) -> None:
            super().connect()
            watchdog.connected(self.sock)

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _dial(address, self.timeout)

        def connect(self) -> None:
            super().connect()
            watchdog.connected(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    adapter = HTTPAdapter(max_retries=0)
    adapter.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}
    return adapter


def _failure(error: BaseException, address: Address, limit_seconds: float) -> Failure:
    if isinstance(error, _TooMuchError):
        return Failure(error.kind, str(error))
    causes = list(_causes(error))
    if isinstance(error, requests.exceptions.SSLError):
        return Failure("tls", f"TLS with {address} failed: {_deepest(causes)}")
    if any(isinstance(cause, (requests.Timeout, socket.timeout)) for cause in causes) or "timed out" in str(error):
        return Failure("timeout", f"no complete answer from {address} within {limit_seconds:.3g} s")
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Failure("name", f"the name {address.host!r} does not resolve")
    if address.path is not None and any(isinstance(cause, (FileNotFoundError, PermissionError)) for cause in causes):
        return Failure("socket", f"cannot open {address}: {_deepest(causes)}")
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return Failure("refused", f"connection to {address} refused")
    if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return Failure("closed", f"connection to {address} closed before the answer was complete: {_deepest(causes)}")
    return Failure("other", f"{type(error).__name__}: {error}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and everything it was raised from; requests and urllib3 also hide causes in arguments."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        hidden = (*current.args, getattr(current, "reason", None))
        waiting += [cause for cause in hidden if isinstance(cause, BaseException)]
        waiting += [current.__cause__, current.__context__]


def _deepest(causes: list[BaseException]) -> str:
    plain = [
        cause for cause in causes if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException)
    ]
    cause = (plain or causes)[-1]
    return f"{getattr(cause, 'strerror', None) or cause}"
