# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent: ``/health /api/chat /api/memories``. A chat looks for memories, asks the model, and remembers."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from .memory import Memory, NoMemory
from .model import Model, ModelFailed
from .version import VERSION

MEMORIES_GIVEN = 4
TOO_FAR = 0.9
"""Cosine distance from which on a memory has nothing to do with a question."""

log = logging.getLogger("agente")
# asyncpg's pool has one limit; connections that nobody uses are closed after five minutes.
POOL_LIMIT = int(os.environ.get("DATABASE_POOL_SIZE", "5")) + int(os.environ.get("DATABASE_POOL_MAX_OVERFLOW", "0"))
memory = Memory(os.environ.get("DATABASE_URL", ""), POOL_LIMIT, float(os.environ.get("DATABASE_TIMEOUT", "5")))
model = Model(
    os.environ.get("LLM_URL", ""),
    os.environ.get("LLM_API_KEY", ""),
    os.environ.get("LLM_MODEL", "kimi"),
    float(os.environ.get("LLM_TIMEOUT", "60")),
)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await model.close()
    await memory.close()


app = FastAPI(title="agente", version=VERSION, lifespan=lifespan)


class Text(BaseModel):
    text: str = Field(min_length=1, max_length=4000)


class ChatRequest(BaseModel):
    message: str = Field(min_length=1, max_length=4000)
    stream: bool = False


def identity() -> dict[str, Any]:
    """Return who answers: name, version, release id (None outside a release) and process id."""
    return {"name": "agente", "version": VERSION, "release": os.environ.get("WEBSTACK_RELEASE"), "pid": os.getpid()}


@app.exception_handler(NoMemory)
async def no_memory(_request: Request, error: NoMemory) -> JSONResponse:
    log.error("memory: %s", error)
    return JSONResponse({"detail": "the memory cannot be reached"}, 503)


@app.exception_handler(ModelFailed)
async def model_failed(_request: Request, error: ModelFailed) -> JSONResponse:
    log.error("model: %s", error)
    return JSONResponse({"detail": f"the model did not answer: {error}"}, 502)


@app.get("/")
async def root() -> dict[str, Any]:
    return identity()


@app.get("/health")
async def health() -> JSONResponse:
    """Say ok, or what is missing. The model is somebody else's: that it fails is no reason to take the app out."""
    missing = [name for name in ("DATABASE_URL", "LLM_URL") if not os.environ.get(name)]
    if "DATABASE_URL" not in missing:
        try:
            await memory.ready()
        except NoMemory as error:
            missing.append(f"memories: {error}")
    status = {"status": "degraded" if missing else "ok", "service": "agente", "version": VERSION}
    return JSONResponse({**status, "missing": missing} if missing else status, 503 if missing else 200)


@app.post("/api/memories", status_code=201)
async def remember(wanted: Text) -> dict[str, int]:
    return {"id": await memory.add(wanted.text)}


@app.get("/api/memories")
async def search(
    q: Annotated[str, Query(min_length=1, max_length=400)], limit: Annotated[int, Query(ge=1, le=20)] = 4
) -> list[dict[str, Any]]:
    """Return the memories closest to a text."""
    return await memory.nearest(q, limit)


@app.post("/api/chat")
async def chat(asked: ChatRequest) -> Response:
    """Answer with what is remembered in mind: at once as JSON, or word by word as server-sent events."""
    found = [one for one in await memory.nearest(asked.message, MEMORIES_GIVEN) if one["distance"] < TOO_FAR]
    system = "I remember: " + "; ".join(one["text"] for one in found) if found else "I remember nothing of it."
    words = model.words(system, asked.message)
    # Before the answer begins, so that a model that is down gives a status of its own.
    first = await anext(words, "")  # noqa: F821 - ruff looks at it as Python 3.9
    if asked.stream:
        return StreamingResponse(_events(asked.message, first, words), media_type="text/event-stream")
    reply = first + "".join([word async for word in words])
    await memory.add(asked.message)
    return JSONResponse({"reply": reply, "memories": [one["id"] for one in found], **identity()})


async def _events(message: str, first: str, words: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield numbered server-sent events, the last one ``done`` or ``error``."""
    number = 1
    try:
        yield _event("word", number, {"number": number, "text": first})
        async for word in words:
            number += 1
            yield _event("word", number, {"number": number, "text": word})
        await memory.add(message)
        yield _event("done", number + 1, {"events": number, **identity()})
    except (ModelFailed, NoMemory) as error:
        log.error("in a stream: %s", error)
        yield _event("error", number + 1, {"detail": str(error)})


def _event(name: str, number: int, data: dict[str, Any]) -> str:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
