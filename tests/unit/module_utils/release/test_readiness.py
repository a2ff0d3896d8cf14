# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A warm-up reaches a worker that another one would take the requests from."""

from __future__ import annotations

import select
import socket
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.release.readiness import warm_up
from ansible_collections.rightsize.webstack.plugins.module_utils.release.spec import Health

ANSWER = b"HTTP/1.1 %d OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Worker:
    """Takes every connection that comes within 30 ms, as an event loop does, then loads for a while and answers.

    A late one leaves connections to the others for 10 ms.
    """

    def __init__(self, listener: socket.socket, status: int = 200, late: bool = False) -> None:
        self.answers = 0
        self._listener, self._status, self._late, self._loaded = listener, status, late, False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            taken = self._take()
            time.sleep(0 if self._loaded or not taken else 0.6)
            self._loaded = self._loaded or bool(taken)
            for connection in taken:
                connection.recv(4096)
                connection.sendall(ANSWER % self._status)
                connection.close()
                self.answers += 1

    def _take(self) -> list[socket.socket]:
        taken: list[socket.socket] = []
        select.select([self._listener], [], [])
        time.sleep(0.01 if self._late else 0)
        end = time.monotonic() + 0.03
        while select.select([self._listener], [], [], max(0, end - time.monotonic()))[0]:
            try:
                taken.append(self._listener.accept()[0])
            except BlockingIOError:  # somebody else was faster
                break
        return taken


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.sock"


def listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(64)
    listener.setblocking(False)
    return listener


def test_a_worker_that_loads_leaves_requests_to_the_other_one(path: Path) -> None:
    listener = listen(path)
    workers = [Worker(listener), Worker(listener, late=True)]
    assert warm_up(path, Health(path="/"), ["/a", "/b"], 4) == []
    assert [worker.answers > 0 for worker in workers] == [True, True]
    assert sum(worker.answers for worker in workers) == 8


def test_a_server_error_is_told_once(path: Path) -> None:
    Worker(listen(path), status=500)
    assert warm_up(path, Health(path="/"), ["/a"], 3) == ["GET /a answered 500: ok"]


def test_nothing_to_ask_needs_no_server(path: Path) -> None:
    assert warm_up(path, Health(path="/"), [], 3) == []
