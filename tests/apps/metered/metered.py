# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app that counts what it is asked for, and answers slowly or with errors when it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).mkdir(parents=True, exist_ok=True)

from prometheus_client import CollectorRegistry, Counter, generate_latest  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402

ASKED = Counter("metered_asked_total", "Requests", ["path"])


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    path, status, body = scope["path"], 200, b"ok"
    if path == "/metrics":
        headers = dict(scope["headers"])
        if headers.get(b"authorization", b"").decode() != f"Bearer {os.environ['METRICS_TOKEN']}":
            status, body = 401, b"no"
        else:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
            body = generate_latest(registry)
    elif path == "/broken":
        status, body = 500, b"broken"
    elif path.startswith(("/slow", "/chat")):
        await asyncio.sleep(0.6)
    elif path in ("/crash", "/crash-late"):
        await asyncio.sleep(2.5 if path == "/crash-late" else 0)
        os.kill(os.getpid(), signal.SIGKILL)
    ASKED.labels(path).inc()
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
