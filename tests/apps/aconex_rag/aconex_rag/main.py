# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from fastapi import FastAPI, Form, Header, HTTPException, Query, Request, Response, UploadFile
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field

from .store import Store, UploadLimitError
from .telemetry import exposition, log, observe, set_up_log
from .version import VERSION

MAX_UPLOAD_BYTES = 2 * 1024 * 1024
PASSAGE_WORDS = 80
UPLOADS_PER_HOUR = int(os.environ.get("UPLOADS_PER_HOUR", "10"))
LLM_URL = os.environ.get("LLM_URL", "").rstrip("/")
IDENTITY = {"X-Version": VERSION, "X-Release": os.environ.get("WEBSTACK_RELEASE", "")}

set_up_log()
store = Store(os.environ.get("DATABASE_URL", ""))
model = httpx.AsyncClient(
    timeout=float(os.environ.get("LLM_TIMEOUT_SECONDS", "30")),
    headers={"Authorization": f"Bearer {os.environ['LLM_API_KEY']}"} if os.environ.get("LLM_API_KEY") else {},
)


@asynccontextmanager
async def lifespan(_unused: FastAPI) -> AsyncIterator[None]:
    """Open the pool without waiting for the database: whether it is there is for ``/health`` to say."""
    if os.environ.get("DATABASE_URL"):
        await store.pool.open(wait=False)
    yield
    await model.aclose()
    await store.pool.close()


app = FastAPI(title="aconex_rag", version=VERSION, lifespan=lifespan)
app.middleware("http")(observe)
if os.environ.get("CORS_ORIGINS"):
    app.add_middleware(CORSMiddleware, allow_origins=os.environ["CORS_ORIGINS"].split(","), allow_methods=["*"])


@app.middleware("http")
async def say_which_release(request: Request, call_next: Any) -> Response:
    response: Response = await call_next(request)
    response.headers.update(IDENTITY)
    return response


class SearchRequest(BaseModel):
    query: str = Field(min_length=1, max_length=500)
    project_id: str | None = None
    top_k: int = Field(5, ge=1, le=20)


class ChatRequest(BaseModel):
    message: str = Field(min_length=1, max_length=4000)
    conversation_id: str = Field(min_length=1, max_length=100)
    project_id: str | None = None


@app.get("/health")
async def health() -> JSONResponse:
    """Say whether everything is there that a request needs."""
    missing = [f"{name} is not set" for name in ("DATABASE_URL", "LLM_URL") if not os.environ.get(name)]
    if os.environ.get("DATABASE_URL") and (problem := await store.problem()):
        missing.append(f"database: {problem}")
    status = "ok" if not missing else "unavailable"
    return JSONResponse({"status": status, "version": VERSION, "missing": missing}, 200 if not missing else 503)


@app.post("/search")
async def search(asked: SearchRequest) -> dict[str, Any]:
    return {"results": await store.search(asked.query, asked.project_id, asked.top_k)}


@app.get("/search")
async def search_by_link(query: Annotated[str, Query(min_length=1, max_length=500)]) -> dict[str, Any]:
    """Search as ``POST`` does; a link to it can be shared, and a new release be warmed up with it."""
    return {"results": await store.search(query, None, 5)}


@app.post("/chat")
async def chat(asked: ChatRequest) -> dict[str, Any]:
    """Let the model answer out of the nearest passages; no connection to the database is held meanwhile."""
    passages = await store.search(asked.message, asked.project_id, 5)
    context = "\n".join(passage["text"] for passage in passages)
    answer = await _ask_model(f"Answer from these passages:\n{context}", asked.message)
    await store.add_messages(asked.conversation_id, [("user", asked.message), ("assistant", answer)])
    return {"answer": answer, "passages": passages}


async def _ask_model(context: str, question: str) -> str:
    messages = [{"role": "system", "content": context}, {"role": "user", "content": question}]
    body = {"model": os.environ.get("LLM_MODEL", "default"), "messages": messages}
    try:
        answer = await model.post(f"{LLM_URL}/chat/completions", json=body)
        answer.raise_for_status()
        return str(answer.json()["choices"][0]["message"]["content"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError) as error:
        log.warning("the language model does not answer: %s", type(error).__name__)
        raise HTTPException(502, "the language model does not answer") from error


@app.get("/history/{conversation_id}")
async def history(conversation_id: str) -> dict[str, Any]:
    messages = await store.history(conversation_id)
    if not messages:
        raise HTTPException(404, "no such conversation")
    return {"conversation_id": conversation_id, "messages": messages}


@app.post("/upload", status_code=201)
async def upload(
    file: UploadFile,
    project_id: Annotated[str, Form(min_length=1, max_length=100)],
    x_real_ip: Annotated[str, Header()] = "unknown",
) -> dict[str, Any]:
    """Split a text into passages and store them with their vectors."""
    content = await file.read(MAX_UPLOAD_BYTES + 1)
    if len(content) > MAX_UPLOAD_BYTES:
        raise HTTPException(413, f"at most {MAX_UPLOAD_BYTES} bytes")
    words = re.split(r"\s+", content.decode("utf-8", "replace").replace("\0", "").strip())
    passages = [" ".join(words[at : at + PASSAGE_WORDS]) for at in range(0, len(words), PASSAGE_WORDS)]
    try:
        name = (file.filename or "unnamed")[:200]
        document = await store.add_document(project_id, name, x_real_ip, passages, UPLOADS_PER_HOUR)
    except UploadLimitError:
        raise HTTPException(429, f"at most {UPLOADS_PER_HOUR} uploads an hour") from None
    return {"document": document, "passages": len(passages)}


@app.get("/metrics", include_in_schema=False)
async def metrics(authorization: Annotated[str, Header()] = "") -> PlainTextResponse:
    token = os.environ.get("METRICS_TOKEN", "")
    if not token or not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
        raise HTTPException(404)
    return PlainTextResponse(exposition(), media_type="text/plain; version=0.0.4")
