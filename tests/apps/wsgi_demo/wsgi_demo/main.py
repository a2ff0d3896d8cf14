# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo service for WSGI servers; it answers as the FastAPI one does."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, abort, jsonify, request

from .version import VERSION

MAX_SECONDS = 300.0
READABLE_ENVIRONMENT = "DEMO_"

app = Flask(__name__)


def identity() -> dict[str, Any]:
    """Return which release answers: name, version, release id (None outside a release) and process id."""
    return {
        "name": "wsgi_demo",
        "version": VERSION,
        "release": os.environ.get("WEBSTACK_RELEASE"),
        "pid": os.getpid(),
    }


@app.get("/")
def root() -> Response:
    return jsonify(identity())


@app.get("/health")
def health() -> Response:
    return jsonify(status="ok", service="wsgi_demo", version=VERSION)


@app.post("/echo")
def echo() -> Response:
    """Return the JSON that came in and the SHA-256 of its bytes."""
    body = request.get_data()
    try:
        received = json.loads(body)
    except ValueError as error:
        abort(422, f"the body is not JSON: {error}")
    return jsonify(received=received, sha256=hashlib.sha256(body).hexdigest(), **identity())


@app.get("/stream")
def stream() -> Response:
    """Send one numbered server-sent event per interval, then one named ``done``."""
    interval = _seconds("interval", 0.5)
    count = max(1, round(_seconds("seconds", 5.0) / max(interval, 0.01)))
    return Response(_events(count, interval), mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


def _events(count: int, interval: float) -> Iterator[str]:
    for number in range(1, count + 1):
        yield _event("tick", number, {"number": number, "of": count, "version": VERSION})
        time.sleep(interval)
    yield _event("done", count + 1, {"events": count, "version": VERSION})


def _event(name: str, number: int, data: dict[str, Any]) -> str:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"


@app.get("/slow")
def slow() -> Response:
    """Answer late: waiting, not computing."""
    seconds = _seconds("seconds", 1.0)
    time.sleep(seconds)
    return jsonify(slept=seconds, **identity())


@app.get("/env/<name>")
def environment(name: str) -> Response:
    """Show one environment variable of this process; only names that start with ``DEMO_``."""
    if not name.startswith(READABLE_ENVIRONMENT) or name not in os.environ:
        abort(404, f"no variable of that name that starts with {READABLE_ENVIRONMENT}")
    return jsonify({name: os.environ[name]})


def _seconds(name: str, default: float) -> float:
    value = request.args.get(name, default, type=float)
    if not 0 <= value <= MAX_SECONDS:
        abort(422, f"{name} must be from 0 to {MAX_SECONDS:.0f}")
    return value
