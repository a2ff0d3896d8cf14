# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks and loads against a real server on this machine."""

from __future__ import annotations

import datetime
import json
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.probe import client as client_module
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.parse import (
    parse_checks,
    parse_load,
    parse_probe,
    parse_target,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.report import failure_message
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.runner import run_checks, run_load, run_probe
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.types import CheckResult, ProbeError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "demo.example.test"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: Any, handler: Any = None) -> None:
        self.requests: list[str] = []
        self.peers: set[Any] = set()
        self.ended = threading.Event()
        super().__init__(address, handler or Handler)

    def handle_error(self, *_unused: Any) -> None:
        """Stay quiet: clients that give up are what some tests are about."""


class UnixServer(Server):
    address_family = socket.AF_UNIX

    def __init__(self, path: str) -> None:
        super().__init__(path, UnixHandler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_unused: Any) -> None:
        """Stay quiet."""

    def address_string(self) -> str:
        return "client"

    def do_GET(self) -> None:
        self._handle(b"")

    def do_POST(self) -> None:
        self._handle(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _handle(self, body: bytes) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        self.server.peers.add(self.client_address)
        seen = self.server.requests.count(f"{self.command} {self.path}")
        if self.path == "/cut":
            self._answer(200, b"half", missing=10)
            self.close_connection = True
        elif self.path == "/endless":
            self._endless()
        elif self.path == "/hang" or (self.path == "/hang-later" and seen > 1):
            self.server.ended.wait()
        elif self.path == "/moved":
            self._answer(302, b"", {"Location": "/"})
        elif self.path == "/hang-later":
            self._answer(503, b"")
        elif self.path.startswith("/third"):
            self._answer(200 if seen >= 3 else 503, b"{}")
        elif self.path.startswith("/every-second"):
            self._answer(200 if seen % 2 else 500, b"{}")
        else:
            told = {"host": self.headers["Host"], "method": self.command, "body": body.decode(), "big": "x" * 300}
            told["authorization"] = self.headers.get("Authorization", "")
            self._answer(200, json.dumps(told).encode())

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, missing: int = 0) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body) + missing), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.server.ended.wait(0.02):
            self.wfile.write(b"data: more\n\n")


class UnixHandler(Handler):
    disable_nagle_algorithm = False


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(("127.0.0.1", 0))) as running:
        yield running


def at(server: Server) -> str:
    return f"127.0.0.1:{server.server_address[1]}"


Run = Callable[..., list[CheckResult]]


@pytest.fixture
def run(server: Server) -> Run:
    def run_it(*checks: dict[str, Any], **options: Any) -> list[CheckResult]:
        return run_checks(parse_target(f"http://{NAME}", at(server)), parse_checks(list(checks)), **options)

    return run_it


def test_the_name_goes_out_as_host_header_though_the_connection_goes_elsewhere(run: Run) -> None:
    (result,) = run({"expect_json": {"host": NAME, "method": "GET"}})
    assert result.passed, result.got


def test_what_is_sent_arrives(run: Run) -> None:
    results = run(
        {"method": "POST", "json": {"a": "ñ"}, "expect_json": {"body": '{"a": "\\u00f1"}'}},
        {"method": "POST", "body": "plain", "expect_json": {"body": "plain"}},
        {"secret_headers": {"Authorization": "Bearer x"}, "expect_json": {"authorization": "Bearer x"}},
    )
    assert [result.got for result in results if not result.passed] == []


def test_results_come_in_the_order_of_the_checks(run: Run) -> None:
    results = run({"path": "/b"}, {"path": "/every-second", "status": 500}, {"name": "last"})
    assert [(result.name, result.passed) for result in results] == [
        ("GET /b", True),
        ("GET /every-second", False),
        ("last", True),
    ]


def test_redirects_are_not_followed(run: Run, server: Server) -> None:
    (result,) = run({"path": "/moved"})
    assert (result.passed, result.got, server.requests) == (False, "status 302", ["GET /moved"])


def test_connections_are_kept_alive(run: Run, server: Server) -> None:
    run({}, {}, {})
    assert len(server.peers) == 1


def test_without_retry_a_failure_is_final(run: Run, server: Server) -> None:
    (result,) = run({"path": "/third"})
    assert (result.passed, result.tries, len(server.requests)) == (False, 1, 1)


def test_with_retry_only_what_failed_is_sent_again(run: Run, server: Server) -> None:
    ready, other = run({"path": "/third"}, {"path": "/"}, retry_seconds=0.01)
    assert (ready.passed, ready.tries, other.passed, other.tries) == (True, 3, True, 1)
    assert sorted(server.requests) == ["GET /", *["GET /third"] * 3]


def test_a_post_that_arrived_is_not_sent_again(run: Run, server: Server) -> None:
    (result,) = run({"path": "/third", "method": "POST"}, retry_seconds=0.01)
    assert (result.passed, result.got, server.requests) == (False, "status 503", ["POST /third"])


def test_retries_end_with_the_time_and_tell_the_last_real_answer(run: Run) -> None:
    started = time.monotonic()
    (result,) = run({"path": "/every-second", "status": 418}, retry_seconds=0.05, timeout_seconds=0.4)
    assert time.monotonic() - started < 10
    assert not result.passed
    assert result.tries > 2
    assert result.got.startswith("status ")


def test_a_last_try_cut_short_by_the_end_does_not_hide_the_answer_before(run: Run) -> None:
    (result,) = run({"path": "/hang-later"}, retry_seconds=0.05, timeout_seconds=0.4)
    assert (result.passed, result.got) == (False, "status 503")


def test_a_server_that_comes_up_late_is_waited_for_with_a_post_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    late: list[Server] = []

    def start_late() -> None:
        time.sleep(0.3)
        late.append(Server(("127.0.0.1", port)))
        late[0].serve_forever(0.01)

    starter = threading.Thread(target=start_late)
    starter.start()
    target = parse_target(f"http://127.0.0.1:{port}")
    try:
        (result,) = run_checks(target, parse_checks([{"method": "POST"}]), retry_seconds=0.05)
        assert result.passed
        assert result.tries > 1
    finally:
        late[0].shutdown()
        late[0].server_close()
        starter.join()


def test_with_reads_only_nothing_is_written_and_the_result_says_so(run: Run, server: Server) -> None:
    skipped, read = run({"method": "POST"}, {"method": "GET"}, reads_only=True)
    assert (skipped.skipped, skipped.passed, skipped.failed) == (True, False, False)
    assert skipped.got == "skipped: a POST is not sent in check mode"
    assert (read.passed, server.requests) == (True, ["GET /"])


@pytest.mark.parametrize("path", ["/hang", "/endless"])
def test_an_answer_that_does_not_end_is_cut_off(run: Run, path: str) -> None:
    slow, next_one = run({"path": path, "max_seconds": 0.2}, {})
    assert not slow.passed
    assert "complete" in slow.got
    assert "journalctl" in slow.hint
    assert next_one.passed


def test_checks_for_which_no_time_is_left_fail_and_say_so(run: Run, server: Server) -> None:
    _unused, late = run({"path": "/hang"}, {"path": "/late"}, timeout_seconds=0.2)
    assert (late.passed, late.got, late.tries) == (False, "not sent: no time left", 0)
    assert server.requests == ["GET /hang"]


def test_a_cut_answer(run: Run) -> None:
    (result,) = run({"path": "/cut"})
    assert "closed before the answer was complete" in result.got
    assert "crashed or was killed" in result.hint


def test_nobody_listening() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    (result,) = run_checks(parse_target(f"http://{NAME}", address), parse_checks([{}]))
    assert result.got == f"connection to {address} refused"
    assert "nothing listens" in result.hint


def test_a_name_that_does_not_resolve() -> None:
    (result,) = run_checks(parse_target("http://nowhere.invalid"), parse_checks([{}]))
    assert result.got == "the name 'nowhere.invalid' does not resolve"
    assert "connect_to" in result.hint


def test_a_body_without_end_is_not_read_into_memory(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_BODY_BYTES", 100)
    (result,) = run({})
    assert result.got == "a body of more than 100 bytes"


def test_a_proxy_of_the_environment_is_not_used(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert run({})[0].passed


def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "live.sock")
    target = parse_target(f"http://{NAME}", f"unix:{path}")
    (missing,) = run_checks(target, parse_checks([{}]))
    assert f"cannot open unix:{path}" in missing.got
    with serving(UnixServer(path)):
        (result,) = run_checks(target, parse_checks([{"expect_json": {"host": NAME}}]))
    assert result.passed, result.got
    (abandoned,) = run_checks(target, parse_checks([{}]))
    assert abandoned.got == f"connection to unix:{path} refused"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[tuple[Server, list[str]]]:
    names: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _connection, name, _context: names.append(name)
    running = Server(("127.0.0.1", 0))
    running.socket = context.wrap_socket(running.socket, server_side=True)
    with serving(running):
        yield running, names


def test_tls_with_the_users_name_at_another_address(tls_server: tuple[Server, list[str]], certificate: Path) -> None:
    server, names = tls_server
    target = parse_target(f"https://{NAME}", at(server), ca_file=str(certificate))
    (result,) = run_checks(target, parse_checks([{"expect_json": {"host": NAME}}]))
    assert result.passed, result.got
    assert names == [NAME]


@pytest.mark.parametrize("trusts", [False, True])
def test_an_unknown_authority_or_another_name_is_refused(
    tls_server: tuple[Server, list[str]], certificate: Path, trusts: bool
) -> None:
    name, ca_file = ("other.example.test", str(certificate)) if trusts else (NAME, None)
    target = parse_target(f"https://{name}", at(tls_server[0]), ca_file=ca_file)
    (result,) = run_checks(target, parse_checks([{}]))
    assert not result.passed
    assert ("not valid for" in result.got or "doesn't match" in result.got) if trusts else "self" in result.got
    assert "ca_file" in result.hint


def test_certificates_are_not_held_against_anything_when_told_so(tls_server: tuple[Server, list[str]]) -> None:
    target = parse_target("https://other.example.test", at(tls_server[0]), validate_certs=False)
    assert run_checks(target, parse_checks([{}]))[0].passed


def test_a_file_of_authorities_that_is_not_there_is_named(server: Server) -> None:
    target = parse_target(f"https://{NAME}", at(server), ca_file="/nowhere/ca.pem")
    with pytest.raises(ProbeError, match="^ca_file: '/nowhere/ca.pem' is not a file"):
        run_checks(target, parse_checks([{}]))


def test_without_requests_it_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "REQUESTS_MISSING", "No module named 'requests'")
    with pytest.raises(ProbeError, match="python3-requests"):
        run({})


def test_a_load_sends_just_so_many_requests(server: Server) -> None:
    load = parse_load({"path": "/every-second", "requests": 40, "concurrency": 4})
    report = run_load(parse_target(f"http://{NAME}", at(server)), load)
    assert len(server.requests) == report.requests == 40
    assert (report.errors, report.error_rate, report.stopped_by) == (20, 0.5, "requests")
    assert len(server.peers) <= 4
    assert report.p50_ms is not None
    assert report.max_ms is not None
    assert 0 < report.p50_ms <= report.max_ms


def test_a_load_ends_with_its_time(server: Server) -> None:
    load = parse_load({"requests": 100_000, "concurrency": 2, "max_seconds": 0.2})
    report = run_load(parse_target(f"http://{NAME}", at(server)), load)
    assert 0 < report.requests < 100_000
    assert report.stopped_by == "max_seconds"


def probe_of(server: Server, **options: Any) -> Any:
    return parse_probe({"url": f"http://{NAME}", "connect_to": at(server), **options})


def test_a_load_comes_after_the_checks_and_its_thresholds_are_checks(server: Server) -> None:
    report = run_probe(probe_of(server, checks=[{}], load={"path": "/l", "requests": 8, "max_p99_ms": 0.001}))
    assert server.requests == ["GET /", *["GET /l"] * 8]
    assert [(result.name, result.passed) for result in report.checks] == [
        ("GET /", True),
        ("load GET /l: error rate", True),
        ("load GET /l: p99", False),
    ]
    assert report.load is not None
    assert not report.passed


def test_no_load_on_what_already_failed(server: Server) -> None:
    report = run_probe(probe_of(server, checks=[{"status": 404}], load={"path": "/l"}))
    assert (report.load, report.passed, server.requests) == (None, False, ["GET /"])
    assert report.checks[-1].got == "skipped: a check before it failed"


def test_a_writing_load_is_skipped_in_check_mode(server: Server) -> None:
    report = run_probe(probe_of(server, load={"method": "POST"}), reads_only=True)
    assert (report.load, report.passed, server.requests) == (None, True, [])
    assert report.checks[0].skipped


def test_the_message_lists_every_failed_check_and_no_other(server: Server) -> None:
    checks = [
        {"name": "fine"},
        {"path": "/third"},
        {"path": "/x", "expect_json": {"host": "other"}, "secret_headers": {"X-Api-Key": "canary"}},
    ]
    probe = probe_of(server, checks=checks)
    message = failure_message(probe.target, run_probe(probe).checks)
    lines = message.splitlines()
    assert lines[0] == f"2 of 3 checks of http://{NAME} (at {at(server)}) failed:"
    assert lines[1:5] == [
        "1. GET /third",
        "   wanted: status 200",
        "   got:    status 503",
        "   body:   {}",
    ]
    assert lines[5].startswith("   next:   ")
    assert lines[6:9] == ["2. GET /x", '   wanted: host = "other"', f'   got:    host = "{NAME}"']
    assert len(lines[9]) <= len("   body:   ") + 200
    assert "fine" not in message
    assert "canary" not in message
