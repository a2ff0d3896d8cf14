# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, against a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[3]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_unused: Any) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        authorized = self.headers["Authorization"] == "Bearer canary"
        self.send_response(200 if authorized else 401)
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}')


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def run_module(*flags: str, **options: Any) -> tuple[dict[str, Any], str]:
    """Return the module's result and everything that Ansible printed."""
    arguments = json.dumps({"url": "http://demo.example.test", **options})
    ansible = str(Path(sys.executable).with_name("ansible"))
    command = [ansible, "localhost", "-m", "rightsize.webstack.endpoint_probe", "-a", arguments, "-vvv", *flags]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".build" / "collections"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
        "ANSIBLE_NOCOLOR": "true",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    output = done.stdout + done.stderr
    start = done.stdout.index("=> {") + 3
    result, _unused = json.JSONDecoder().raw_decode(done.stdout[start:])
    return result, output


def test_it_passes_without_changing_or_telling_a_secret(address: str) -> None:
    check = {"secret_headers": {"Authorization": "Bearer canary"}, "expect_json": {"status": "ok"}}
    result, output = run_module(
        connect_to=address, checks=[check], load={"secret_headers": check["secret_headers"], "requests": 5}
    )
    assert result["passed"], result
    assert result["changed"] is False
    assert [check["got"] for check in result["checks"]] == [
        'status 200; status = "ok"',
        "0 (0 of 5 requests)",
    ]
    assert result["load"]["requests"] == 5
    assert "canary" not in output
    assert "secret_headers" in output


def test_it_fails_with_everything_that_is_wrong(address: str) -> None:
    result, _unused = run_module("--check", connect_to=address, checks=[{"path": "/private"}, {"method": "POST"}])
    assert (result["passed"], result["changed"]) == (False, False)
    assert result["msg"].startswith(
        f"1 of 2 checks of http://demo.example.test (at {address}) failed, 1 skipped:\n1. GET /private\n"
    )
    assert "secret_headers" in result["msg"]
    assert result["checks"][1]["skipped"]


def test_nonsense_is_named_before_anything_is_sent() -> None:
    result, _unused = run_module(checks=[{}, {}, {"status": "ok"}])
    assert result["msg"] == "checks[2].status: 'ok' is not a number from 100 to 599"
