# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge is judged: a real server does each wrong thing once, and each must be reported."""

from __future__ import annotations

import base64
import hashlib
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support import traffic as traffic_module
from support.traffic import Exchange, Report, Traffic

FAULT_AT_REQUEST = 5


class Server(ThreadingHTTPServer):
    """An echo server that does what ``fault`` names at its fifth POST, and in every stream and WebSocket."""

    daemon_threads = True
    fault = ""
    releases: tuple[str, ...] = ("r1",)
    posts = 0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.seen_hosts: set[str] = set()
        self.ended = threading.Event()
        self._lock = threading.Lock()

    def count(self) -> int:
        with self._lock:
            self.posts += 1
            return self.posts

    def handle_error(self, *_unused: Any) -> None:
        """Stay quiet: broken connections are what this server is for."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_unused: Any) -> None:
        """Stay quiet."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen_hosts.add(self.headers["Host"])
        number = self.server.count()
        fault = self.server.fault if number == FAULT_AT_REQUEST else ""
        release = self.server.releases[min(number // 20, len(self.server.releases) - 1)]
        digest = hashlib.sha256(b"else" if fault == "wrong digest" else body).hexdigest()
        received = {} if fault == "wrong content" else json.loads(body)
        answer = {"received": received, "sha256": digest, "version": f"v-{release}", "release": release}
        getattr(self, "_" + fault.replace(" ", "_"), self._answer)(json.dumps(answer).encode())

    def _answer(self, content: bytes, status: int = 200, missing: int = 0, announce: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) + missing))
        if announce:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def _status(self, content: bytes) -> None:
        self._answer(b"no live upstreams", status=502)

    def _not_json(self, content: bytes) -> None:
        self._answer(b"<html>")

    def _garbled(self, content: bytes) -> None:
        self.wfile.write(b"this is not HTTP\r\n\r\n")
        self.close_connection = True

    def _close(self, content: bytes) -> None:
        self.close_connection = True

    def _reset(self, content: bytes) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.wfile.close()
        self.connection.close()
        self.close_connection = True

    def _cut(self, content: bytes) -> None:
        self._answer(content, missing=10)
        self.close_connection = True

    def _hang(self, content: bytes) -> None:
        self.server.ended.wait()
        self.close_connection = True

    def _polite_close(self, content: bytes) -> None:
        self._answer(content, announce=True)

    def _idle_close(self, content: bytes) -> None:
        self._answer(content)
        self.close_connection = True

    def do_GET(self) -> None:
        if self.path == "/ws":
            self._websocket()
        elif self.server.fault == "stream refused":
            self._answer(b"too many", status=503)
        else:
            self._stream()

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(1, 4):
            if self.server.fault == "stream pauses" and number == 2:
                self.server.ended.wait(0.2)
            if self.server.fault == "stream cut" and number == 3:
                break
            shown = number + 1 if self.server.fault == "stream gap" and number == 2 else number
            self._chunk(f"event: tick\ndata: {json.dumps({'number': shown})}\n\n")
        if self.server.fault not in ("stream cut", "stream without done"):
            told = 4 if self.server.fault == "stream miscounted" else 3
            self._chunk(f"event: done\ndata: {json.dumps({'events': told})}\n\n")
        if self.server.fault not in ("stream cut", "stream without end"):
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def _chunk(self, text: str) -> None:
        self.wfile.write(f"{len(text):x}\r\n{text}\r\n".encode())

    def _websocket(self) -> None:
        key = self.headers["Sec-WebSocket-Key"] + traffic_module.WEBSOCKET_KEY_SUFFIX
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        if self.server.fault == "websocket drop":
            return
        kind, text = self._frame()
        if self.server.fault == "websocket moves":
            self.wfile.write(b"\x88\x02" + (1012).to_bytes(2, "big"))
            return
        while kind == traffic_module.TEXT_FRAME:
            answer = b"else" if self.server.fault == "websocket wrong" else text
            self.wfile.write(bytes([0x81, len(answer)]) + answer)
            kind, text = self._frame()
        self.wfile.write(bytes([0x88, len(text)]) + text)

    def _frame(self) -> tuple[int, bytes]:
        first, length = self.rfile.read(2)
        mask, masked = self.rfile.read(4), self.rfile.read(length & 0x7F)
        return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))


@contextmanager
def serving(fault: str = "", releases: tuple[str, ...] = ("r1",)) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.fault, server.releases = fault, releases
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def url_of(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def let_run(traffic: Traffic, enough: Callable[[Report], bool]) -> Report:
    """Wait until it has seen enough (or a limit that no test should reach) and stop it."""
    end = time.monotonic() + 20
    with traffic:
        while not enough(traffic.report()) and time.monotonic() < end:
            traffic.wait(0.01)
            if traffic.report().stopped_by:
                break
    return traffic.report()


def observe(fault: str, enough: Callable[[Report], bool], **options: Any) -> Report:
    chosen = {"clients": 2, "rate": 300.0, **options}
    with serving(fault) as server:
        return let_run(Traffic(url_of(server), host="demo.example.test", **chosen), enough)


def requests(number: int) -> Callable[[Report], bool]:
    return lambda report: report.requests >= number


def test_a_clean_server_is_found_clean() -> None:
    report = observe(
        "",
        lambda now: now.requests >= 30 and now.streams_completed >= 2 and now.websocket_messages >= 1,
        clients=3,
        streams=2,
        websockets=1,
    )
    report.assert_clean(minimum_requests=30, minimum_streams=2)
    assert report.failed == 0
    assert report.connections == 3 + report.streams_completed
    assert report.websocket_messages >= 1
    assert 0 < report.p50_latency_ms <= report.p99_latency_ms <= report.max_latency_ms
    assert report.stopped_by == "caller"


def test_the_name_asked_for_is_the_host_not_the_address() -> None:
    with serving() as server:
        let_run(Traffic(url_of(server), host="demo.example.test", clients=1), requests(1))
    assert server.seen_hosts == {"demo.example.test"}


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("close", "closed", "request under way"),
        ("reset", "reset", "request under way"),
        ("status", "status", "502"),
        ("wrong digest", "wrong", "not an echo"),
        ("wrong content", "wrong", "not an echo"),
        ("not json", "wrong", "<html>"),
        ("garbled", "garbled", "BadStatusLine"),
        ("cut", "cut", "ended early"),
        ("hang", "timeout", "no answer in time"),
        ("idle close", "idle close", "without announcing"),
    ],
)
def test_each_fault_is_reported_once_and_the_traffic_goes_on(fault: str, kind: str, words: str) -> None:
    timeout = 1.0 if fault == "hang" else 20.0
    report = observe(fault, lambda now: now.failed > 0 and now.requests > 2 * FAULT_AT_REQUEST, timeout=timeout)
    assert [(failure.kind, words in failure.text) for failure in report.failures] == [(kind, True)]
    assert report.failed == 1
    assert report.failures[0].connection in ("client 1", "client 2")
    assert 0 <= report.failures[0].second <= report.seconds
    assert report.requests > 2 * FAULT_AT_REQUEST
    with pytest.raises(AssertionError, match=kind):
        report.assert_clean(minimum_requests=1)


def test_nothing_is_sent_twice() -> None:
    with serving("close") as server:
        report = let_run(Traffic(url_of(server), clients=1), requests(4 * FAULT_AT_REQUEST))
    assert report.failed == 1
    assert server.posts == report.requests


@pytest.mark.parametrize(("wanted", "kinds"), [(3, {}), (4, {"wrong": 1})])
def test_what_is_sent_and_how_it_is_judged_can_be_given(wanted: int, kinds: dict[str, int]) -> None:
    def wrong(sent: Mapping[str, Any], answer: Mapping[str, Any]) -> str | None:
        return f"not {wanted}" if sent["number"] == 3 and answer["received"] != {"number": wanted} else None

    exchange = Exchange("/chat", lambda _client, number: {"number": number}, wrong)
    report = observe("", requests(10), clients=1, exchange=exchange)
    assert report.kinds == kinds


def test_a_server_that_announces_its_close_is_no_failure() -> None:
    report = observe("polite close", requests(10))
    report.assert_clean(minimum_requests=10)
    assert report.connections == 3


def test_an_unannounced_idle_close_can_be_allowed() -> None:
    report = observe("idle close", requests(10), idle_close_fails=False)
    report.assert_clean(minimum_requests=10)
    assert report.connections == 3


def test_nobody_listening_is_reported_without_a_busy_loop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    report = let_run(Traffic(f"http://127.0.0.1:{port}", clients=1, rate=0), lambda now: now.failed >= 4)
    assert report.kinds == {"refused": report.failed}
    assert report.seconds >= 3 * traffic_module.PAUSE_AFTER_FAILURE_SECONDS


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("stream cut", "cut", ""),
        ("stream gap", "wrong", "event 3 came where 2 was due"),
        ("stream without done", "cut", "without done"),
        ("stream miscounted", "wrong", "done speaks of 4 events, 3 came"),
        ("stream without end", "cut", "ended early"),
        ("stream refused", "status", "503"),
    ],
)
def test_a_stream_must_be_whole_and_in_order(fault: str, kind: str, words: str) -> None:
    report = observe(fault, lambda now: now.failed > 0, clients=0, streams=1)
    assert report.streams_completed == 0
    assert report.failures[0].kind == kind
    assert words in report.failures[0].text


def test_the_longest_pause_of_a_stream_is_measured() -> None:
    report = observe("stream pauses", lambda now: now.streams_completed > 0, clients=0, streams=1)
    assert report.max_stream_pause_ms >= 200


@pytest.mark.parametrize(("fault", "kind"), [("websocket drop", "closed"), ("websocket wrong", "wrong")])
def test_a_websocket_must_stay_open_and_echo(fault: str, kind: str) -> None:
    report = observe(fault, lambda now: now.failed > 0, clients=0, websockets=1)
    assert report.failures[0].kind == kind


def test_a_websocket_that_is_told_to_move_is_no_failure() -> None:
    report = observe("websocket moves", lambda now: now.websocket_reconnects >= 2, clients=0, websockets=1)
    assert report.failed == 0
    assert report.websocket_reconnects >= 2


def test_releases_are_listed_in_the_order_in_which_they_answered() -> None:
    with serving(releases=("r1", "r2")) as server:
        report = let_run(Traffic(url_of(server), clients=2), requests(60))
    assert report.releases == ["r1", "r2"]
    assert report.versions == ["v-r1", "v-r2"]
    assert report.answers_by_release["r1"] == 19
    assert sum(report.answers_by_release.values()) == report.requests


def test_a_release_that_comes_back_is_listed_again_but_not_one_that_overlaps() -> None:
    order = traffic_module._Order()
    for second, label in [(0.0, "r1"), (0.1, "r2"), (0.2, "r1"), (0.3, "r2"), (3.0, "r2"), (3.1, "r1")]:
        order.saw(label, second)
    assert order.order == ["r1", "r2", "r1"]


@pytest.mark.parametrize("limit", [{"max_seconds": 0.1}, {"max_requests": 5}])
def test_it_stops_by_itself_and_says_that_it_saw_only_a_part(limit: dict[str, Any]) -> None:
    report = observe("", lambda _unused: False, **limit)
    assert report.requests >= 1
    with pytest.raises(AssertionError, match=next(iter(limit))):
        report.assert_clean(minimum_requests=1)


def test_too_few_requests_or_streams_prove_nothing() -> None:
    report = observe("", requests(3))
    with pytest.raises(AssertionError, match="prove nothing"):
        report.assert_clean(minimum_requests=100_000)
    with pytest.raises(AssertionError, match="whole streams"):
        report.assert_clean(minimum_requests=1, minimum_streams=1)


def test_a_defect_of_the_client_itself_is_not_a_clean_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Traffic, "_post", lambda *_unused: 1 / 0)
    assert set(observe("", lambda now: now.failed > 0).kinds) == {"client"}


@pytest.mark.parametrize(("fault", "status"), [("", 0), ("status", 1)])
def test_the_command_line_tells_and_exits_accordingly(fault: str, status: int) -> None:
    with serving(fault) as server:
        command = [sys.executable, traffic_module.__file__, url_of(server), "--seconds", "0.3", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == status
    assert json.loads(done.stdout)["failed"] == status
    assert "requests" in done.stderr


def test_a_terminated_command_still_reports() -> None:
    with serving() as server:
        command = [sys.executable, str(Path(traffic_module.__file__)), url_of(server), "--seconds", "20"]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        while server.posts < 10 and running.poll() is None:
            time.sleep(0.01)
        with suppress(ProcessLookupError):
            running.send_signal(signal.SIGTERM)
        output, _unused = running.communicate(timeout=10)
    assert running.returncode == 0
    assert " 0 failed" in output
