# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The orchestrator: ``/health /config /metrics /api/agent/chat``. Any worker of any host can answer any request."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from fastapi import FastAPI, HTTPException, Path, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field
from redis.asyncio import Redis
from redis.exceptions import RedisError

from .logs import make_logger
from .memory import Breaker, CircuitOpen, Metrics, Sessions
from .settings import Settings
from .version import VERSION

STORE_TIMEOUT_SECONDS = 2.0
SessionId = Annotated[str, Path(pattern=r"^[\w.-]{1,64}$")]

settings = Settings()
log = make_logger("orquestador", os.environ.get("LOG_LEVEL", "INFO"))
# Connects when it is first used; without a REDIS_URL it is an address where nobody listens.
redis = Redis.from_url(
    settings.redis_url or "redis://127.0.0.1:1",
    decode_responses=True,
    socket_timeout=STORE_TIMEOUT_SECONDS,
    socket_connect_timeout=STORE_TIMEOUT_SECONDS,
    health_check_interval=30,
)
sessions = Sessions(redis, settings.session_ttl)
metrics = Metrics(redis)
breakers = {
    name: Breaker(redis, name, settings.breaker_failures, settings.breaker_reset) for name in ("llm", *settings.agents)
}


class BotConfig(BaseModel):
    nombre_bot: str
    id_empresa: int
    rol_bot: str
    tipo_bot: str
    objetivo_principal: str


class ChatRequest(BaseModel):
    message: str = Field(min_length=1, max_length=4000)
    session_id: str = Field(pattern=r"^[\w.-]{1,64}$")
    config: BotConfig


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=200, max_keepalive_connections=50)) as client:
        app.state.http = client
        yield
    await redis.aclose()


app = FastAPI(title="orquestador", version=VERSION, lifespan=lifespan)
app.add_middleware(
    CORSMiddleware,
    allow_origins=settings.origins,
    allow_credentials=True,
    allow_methods=["GET", "POST"],
    allow_headers=["Content-Type"],
)


@app.middleware("http")
async def observe(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Count and log each API request, and say in the answer who gave it."""
    started = time.perf_counter()
    response = await call_next(request)
    response.headers["X-Version"] = VERSION
    response.headers["X-Release"] = os.environ.get("WEBSTACK_RELEASE", "")
    response.headers["X-Served-By"] = socket.gethostname()
    if request.url.path.startswith("/api/"):
        seconds = time.perf_counter() - started
        fields = {
            "status": response.status_code,
            "seconds": round(seconds, 4),
            "client": request.headers.get("x-real-ip") or (request.client.host if request.client else ""),
            "scheme": request.url.scheme,
            "request_id": request.headers.get("x-request-id", ""),
            **getattr(request.state, "fields", {}),
        }
        log.info("%s %s", request.method, request.url.path, extra={"extra_fields": fields})
        try:
            await metrics.count(response.status_code, seconds)
        except RedisError as error:
            log.warning("not counted: %s", type(error).__name__)
    return response


@app.exception_handler(RedisError)
async def no_memory(_request: Request, error: RedisError) -> JSONResponse:
    log.error("redis: %s", type(error).__name__)
    return JSONResponse({"detail": "the memory of conversations cannot be reached"}, 503)


@app.exception_handler(CircuitOpen)
async def left_alone(_request: Request, error: CircuitOpen) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 503, {"Retry-After": str(error.seconds)})


@app.get("/")
async def root() -> dict[str, Any]:
    return {
        "service": "orquestador",
        "version": VERSION,
        "release": os.environ.get("WEBSTACK_RELEASE"),
        "endpoints": ["/health", "/config", "/metrics", "/api/agent/chat", "/memory/clear/{session_id}"],
    }


@app.get("/health")
async def health() -> JSONResponse:
    """Say ok, or what is missing."""
    missing = settings.missing()
    if settings.redis_url:
        try:
            await redis.ping()
        except RedisError:
            missing.append("redis does not answer")
    if missing:
        return JSONResponse({"status": "degraded", "service": "orquestador", "missing": missing}, 503)
    return JSONResponse({"status": "ok", "service": "orquestador"})


@app.get("/config")
async def config() -> dict[str, Any]:
    """Show how it is set up, without anything secret."""
    return {
        "openai_model": settings.model,
        "openai_timeout": settings.model_timeout,
        "mcp": settings.agents,
        "mcp_timeout": settings.agent_timeout,
        "session_ttl": settings.session_ttl,
        "cors_origins": settings.origins,
    }


@app.get("/metrics")
async def show_metrics() -> dict[str, Any]:
    circuits = {name: await breaker.show() for name, breaker in breakers.items()}
    return {**await metrics.show(), "circuit_breakers": circuits}


@app.get("/metrics/prometheus", response_class=PlainTextResponse)
async def show_circuits() -> str:
    """Say which circuits are open (1) or about to be tried (1), as Prometheus reads it."""
    lines = ["# TYPE orquestador_circuit_open gauge"]
    for name, breaker in breakers.items():
        state = (await breaker.show())["state"]
        lines.append(f'orquestador_circuit_open{{circuit="{name}"}} {int(state != "closed")}')
    return "\n".join(lines) + "\n"


@app.post("/memory/clear/{session_id}")
async def clear(session_id: SessionId) -> dict[str, bool]:
    return {"cleared": await sessions.clear(session_id)}


@app.post("/api/agent/chat")
async def chat(asked: ChatRequest, request: Request) -> dict[str, Any]:
    """Answer in a conversation; an agent whose name the message has is asked first."""
    agent = next((name for name in settings.agents if name in asked.message.lower()), None)
    request.state.fields = {"session_id": asked.session_id, "agent_to_invoke": agent}
    history = await sessions.read(asked.session_id)
    bot = asked.config
    told = f"{bot.nombre_bot}, {bot.rol_bot} ({bot.tipo_bot}): {bot.objetivo_principal}"
    if agent:
        told += f" {agent} says: {await ask_agent(request, agent, asked)}"
    said = {"role": "user", "content": asked.message}
    reply = await ask_model(request, [{"role": "system", "content": told}, *history, said])
    await sessions.add(asked.session_id, [said, {"role": "assistant", "content": reply}])
    return {"reply": reply, "session_id": asked.session_id, "agent": agent, "messages": len(history) + 2}


async def ask_model(request: Request, messages: list[dict[str, str]]) -> str:
    body = {"model": settings.model, "messages": messages}
    key = {"Authorization": f"Bearer {settings.api_key}"}
    answer = await _post(request, "llm", f"{settings.model_url}/chat/completions", body, settings.model_timeout, key)
    return str(answer["choices"][0]["message"]["content"])


async def ask_agent(request: Request, name: str, asked: ChatRequest) -> str:
    """Ask an agent, several times if need be: it is close by and its failures are short."""
    body = {"message": asked.message, "session_id": asked.session_id}
    for _attempt in range(settings.agent_retries):
        try:
            answer = await _post(request, name, settings.agents[name], body, settings.agent_timeout, {})
            return str(answer["choices"][0]["message"]["content"])
        except HTTPException:
            continue
    raise HTTPException(502, f"{name} did not answer in {settings.agent_retries} attempts")


async def _post(
    request: Request, name: str, url: str, body: dict[str, Any], timeout: float, headers: dict[str, str]
) -> dict[str, Any]:
    try:
        async with breakers[name].guard():
            response = await request.app.state.http.post(url, json=body, timeout=timeout, headers=headers)
            response.raise_for_status()
            answer: dict[str, Any] = response.json()
            return answer
    except (httpx.HTTPError, ValueError) as error:
        log.error("%s: %s", name, type(error).__name__, extra={"extra_fields": request.state.fields})
        raise HTTPException(502, f"{name} did not answer: {type(error).__name__}") from None
