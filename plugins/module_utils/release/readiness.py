# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a release's own socket: the only proof that it is ready.

systemd's "active" is none: gunicorn says READY before a worker has imported the app.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from .spec import Health

WARM_UP_PAUSE_SECONDS = 0.05


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, host: str, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def get(path: Path, url: str, host: str, timeout: float) -> tuple[int, str]:
    """GET ``url`` over the unix socket ``path``: the status and the first 200 characters of the body.

    Raises ``OSError`` or ``http.client.HTTPException`` when there is no answer.
    """
    connection = UnixConnection(path, host, timeout)
    try:
        connection.request("GET", url, headers={"User-Agent": "webstack-release", "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read(4096).decode("utf-8", "replace")[:200]
    finally:
        connection.close()


def unhealthy(path: Path, health: Health) -> str | None:
    """Return why the release behind a socket is not healthy, or ``None`` when it is."""
    try:
        status, body = get(path, health.path, health.host, health.timeout)
    except FileNotFoundError:
        return "its socket does not exist yet"
    except (OSError, http.client.HTTPException) as error:
        return f"GET {health.path} got no answer: {type(error).__name__}: {error}"
    if status != health.status:
        return f"GET {health.path} answered {status}, wanted {health.status}: {body}"
    return None


def warm_up(path: Path, health: Health, urls: Iterable[str], times: int) -> list[str]:
    """Ask for each of ``urls`` ``times`` times, so that workers meet them before a user does.

    Not all at once: the worker that is first would take them all, since an event loop accepts every connection that
    waits. Little by little, those that come while it loads something are left to the others.

    Returns what went wrong; a page that is slow when cold is what this is for, so
    only a missing answer or a server error (5xx) counts.
    """
    jobs = [url for url in urls for _unused in range(times)]
    if not jobs:
        return []
    with ThreadPoolExecutor(max_workers=min(len(jobs), 16)) as pool:
        answers = []
        for url in jobs:
            answers.append(pool.submit(_warm, path, health, url))
            wait(answers[-1:], WARM_UP_PAUSE_SECONDS)
    return sorted({problem for problem in (answer.result() for answer in answers) if problem})


def _warm(path: Path, health: Health, url: str) -> str | None:
    try:
        status, body = get(path, url, health.host, 60.0)
    except (OSError, http.client.HTTPException) as error:
        return f"GET {url} got no answer: {type(error).__name__}: {error}"
    return f"GET {url} answered {status}: {body}" if status >= 500 else None
