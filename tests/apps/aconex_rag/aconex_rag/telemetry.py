# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics that all workers of a release add up, and a log of one JSON object for each request."""

from __future__ import annotations

import json
import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

DIRECTORY = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
if DIRECTORY:  # the library looks for it when it is imported
    Path(DIRECTORY).mkdir(parents=True, exist_ok=True)

from fastapi import Request, Response  # noqa: E402
from prometheus_client import REGISTRY as OWN  # noqa: E402
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
REQUESTS = Counter("aconex_rag_requests_total", "Requests", ["endpoint", "status"])
SECONDS = Histogram("aconex_rag_request_seconds", "How long requests took", ["endpoint"], buckets=BUCKETS)
UNDER_WAY = Gauge("aconex_rag_requests_under_way", "Requests under way", multiprocess_mode="livesum")

log = logging.getLogger("aconex_rag")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: what gunicorn's own log has, and the fields of the request."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up_log() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    log.handlers, log.propagate = [handler], False
    log.setLevel(os.environ.get("LOG_LEVEL", "INFO").upper())


async def observe(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Count, time and log one request. What it asks for stays out of the log: it may be confidential."""
    request_id = request.headers.get("x-request-id") or uuid.uuid4().hex
    started, status = time.perf_counter(), 500
    UNDER_WAY.inc()
    try:
        response = await call_next(request)
        status = response.status_code
        response.headers["X-Request-ID"] = request_id
        return response
    finally:
        seconds = time.perf_counter() - started
        UNDER_WAY.dec()
        endpoint = getattr(request.scope.get("route"), "path", "unknown")
        REQUESTS.labels(endpoint, str(status)).inc()
        SECONDS.labels(endpoint).observe(seconds)
        fields = {"request_id": request_id, "endpoint": endpoint, "status": status, "duration_ms": seconds * 1000}
        log.info("request", extra={"fields": fields})


def exposition() -> bytes:
    """Return the metrics of all workers in Prometheus' text format."""
    if not DIRECTORY:
        return generate_latest(OWN)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)
