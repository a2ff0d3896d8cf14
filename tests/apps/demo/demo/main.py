# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo service: every endpoint shows one thing that a deploy must not break.

``/echo`` returns a digest of what it got, so a client can tell a wrong answer from a
right one; ``/stream`` numbers its events, so a client can tell a cut stream from a whole one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from .version import VERSION

PAGE_BYTES = 4096
MEMORY_HOLD_SECONDS = 0.2
READABLE_ENVIRONMENT = "DEMO_"

app = FastAPI(title="demo", version=VERSION)


def identity() -> dict[str, Any]:
    """Return which release answers: name, version, release id (None outside a release) and process id."""
    return {
        "name": "demo",
        "version": VERSION,
        "release": os.environ.get("WEBSTACK_RELEASE"),
        "pid": os.getpid(),
    }


@app.get("/")
async def root() -> dict[str, Any]:
    return identity()


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok", "service": "demo", "version": VERSION}


@app.post("/echo")
async def echo(request: Request) -> dict[str, Any]:
    """Return the JSON that came in and the SHA-256 of its bytes."""
    body = await request.body()
    try:
        received = json.loads(body)
    except ValueError as error:
        raise HTTPException(422, f"the body is not JSON: {error}") from None
    return {"received": received, "sha256": hashlib.sha256(body).hexdigest(), **identity()}


@app.get("/stream")
async def stream(
    seconds: Annotated[float, Query(gt=0, le=600)] = 5.0,
    interval: Annotated[float, Query(ge=0.01, le=60)] = 0.5,
) -> StreamingResponse:
    """Send one numbered server-sent event per interval, then one named ``done``."""
    count = max(1, round(seconds / interval))
    return StreamingResponse(
        _events(count, interval), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


async def _events(count: int, interval: float) -> AsyncIterator[str]:
    for number in range(1, count + 1):
        yield _event("tick", number, {"number": number, "of": count, "version": VERSION})
        await asyncio.sleep(interval)
    yield _event("done", count + 1, {"events": count, "version": VERSION})


def _event(name: str, number: int, data: dict[str, Any]) -> str:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"


@app.websocket("/ws")
async def websocket_echo(websocket: WebSocket) -> None:
    """Send every text message back."""
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect:
        pass


@app.get("/slow")
async def slow(seconds: Annotated[float, Query(ge=0, le=300)] = 1.0) -> dict[str, Any]:
    """Answer late, as a call to a language model does: waiting, not computing."""
    await asyncio.sleep(seconds)
    return {"slept": seconds, **identity()}


@app.get("/memory")
def memory(mb: Annotated[int, Query(ge=1, le=2048)] = 16) -> dict[str, Any]:
    """Hold that many MiB of resident memory for a moment."""
    block = bytearray(mb * 1024 * 1024)
    block[::PAGE_BYTES] = b"\x01" * len(range(0, len(block), PAGE_BYTES))  # untouched pages cost nothing
    time.sleep(MEMORY_HOLD_SECONDS)
    return {"mb": len(block) // (1024 * 1024), **identity()}


@app.get("/burn")
def burn(ms: Annotated[int, Query(ge=1, le=10_000)] = 50) -> dict[str, Any]:
    """Use one CPU for that many milliseconds of the thread's own CPU time."""
    rounds, end = 0, time.thread_time() + ms / 1000
    while time.thread_time() < end:
        hashlib.sha256(b"burn" * 64).digest()
        rounds += 1
    return {"ms": ms, "rounds": rounds, **identity()}


@app.get("/env/{name}")
async def environment(name: str) -> dict[str, str]:
    """Show one environment variable of this process; only names that start with ``DEMO_``."""
    if not name.startswith(READABLE_ENVIRONMENT) or name not in os.environ:
        raise HTTPException(404, f"no variable of that name that starts with {READABLE_ENVIRONMENT}")
    return {name: os.environ[name]}
