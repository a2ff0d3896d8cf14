# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for a language model behind an OpenAI-like API: as slow as one, and it fails when it is told to.

``POST /v1/chat/completions`` says back what the last user message said, how many messages it was given, and the system
message, so that a test can tell what an app had sent along. With ``stream`` the words come one by one, at the pace of a
model. ``POST /mcp`` is an agent beside it: it answers in the same way, at the same pace.

``POST /control`` changes how it behaves from the next request on, ``GET /control`` shows it and what it was asked:
``first_token_seconds``, ``tokens_per_second``, ``fail`` (a status to answer with, 0 for none), ``fail_next`` (that many
times only), ``cut_after`` (words after which a stream breaks off, 0 for never), ``hang`` (never answer).

It needs Python alone: ``LLM_STUB_KEY=secret python3 llm_stub.py --port 8900``
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG_SECONDS = 600.0


class Behaviour:
    """How the stand-in behaves and what it has seen; shared by the threads of all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settings: dict[str, float | bool] = {
            "first_token_seconds": 0.4,
            "tokens_per_second": 60.0,
            "fail": 0,
            "fail_next": 0,
            "cut_after": 0,
            "hang": False,
        }
        self._seen = {"requests": 0, "failed": 0, "in_progress": 0, "most_at_once": 0}

    def change(self, wanted: dict[str, Any]) -> None:
        """Take new settings; raises ``ValueError`` for a name that is none, or a value that is no number."""
        for name, value in wanted.items():
            if name not in self._settings or not isinstance(value, (int, float)) or value < 0:
                raise ValueError(f"{name}: {value!r} is no setting; there are {', '.join(self._settings)}")
        with self._lock:
            self._settings.update(wanted)

    def show(self) -> dict[str, Any]:
        with self._lock:
            return {**self._settings, "seen": dict(self._seen)}

    def begin(self) -> dict[str, Any]:
        """Count a request; returns the settings that hold for it."""
        with self._lock:
            self._seen["requests"] += 1
            self._seen["in_progress"] += 1
            self._seen["most_at_once"] = max(self._seen["most_at_once"], self._seen["in_progress"])
            settings = dict(self._settings)
            if settings["fail_next"]:
                self._settings["fail_next"] -= 1
                settings["fail"] = settings["fail"] or 500
                if not self._settings["fail_next"]:
                    self._settings["fail"] = 0
            self._seen["failed"] += bool(settings["fail"])
            return settings

    def end(self) -> None:
        with self._lock:
            self._seen["in_progress"] -= 1


class Handler(BaseHTTPRequestHandler):
    """One connection; kept open between requests, as the real service does."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    behaviour = Behaviour()
    key = ""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a load test would fill the journal."""

    def do_GET(self) -> None:  # noqa: N802 - the base class calls it so
        if self.path == "/control":
            self._answer(HTTPStatus.OK, self.behaviour.show())
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": self.path})

    def do_POST(self) -> None:  # noqa: N802
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            wanted = json.loads(body)
            if self.path == "/control":
                self.behaviour.change(wanted)
                self._answer(HTTPStatus.OK, self.behaviour.show())
            elif self.path == "/v1/chat/completions" and not self._has_key():
                self._answer(HTTPStatus.UNAUTHORIZED, {"error": "Incorrect API key provided"})
            elif self.path == "/v1/chat/completions":
                self._work(wanted, reply(wanted["messages"]))
            elif self.path == "/mcp":
                self._work(wanted, f"the agent has seen to: {wanted['message']}")
            else:
                self._answer(HTTPStatus.NOT_FOUND, {"error": self.path})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": f"{type(error).__name__}: {error}"})

    def _has_key(self) -> bool:
        return not self.key or self.headers.get("Authorization") == f"Bearer {self.key}"

    def _work(self, wanted: dict[str, Any], text: str) -> None:
        words = text.split(" ")
        settings = self.behaviour.begin()
        try:
            time.sleep(HANG_SECONDS if settings["hang"] else settings["first_token_seconds"])
            if settings["fail"]:
                self._answer(HTTPStatus(int(settings["fail"])), {"error": "as you wished"})
            elif wanted.get("stream"):
                self._stream(words, settings)
            else:
                time.sleep(len(words) / settings["tokens_per_second"])
                message = {"role": "assistant", "content": text}
                self._answer(HTTPStatus.OK, {"model": wanted.get("model"), "choices": [{"message": message}]})
        finally:
            self.behaviour.end()

    def _stream(self, words: list[str], settings: dict[str, Any]) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(events(words), start=1):
            if settings["cut_after"] and number > settings["cut_after"]:
                self.close_connection = True
                return
            data = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            time.sleep(1 / settings["tokens_per_second"])
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: HTTPStatus, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """Quiet about clients that hang up: apps under test are stopped all the time."""

    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


def reply(messages: list[dict[str, str]]) -> str:
    """Return what a model would say to a conversation, if it only ever repeated it."""
    said = next((message["content"] for message in reversed(messages) if message["role"] == "user"), "")
    told = " ".join(message["content"] for message in messages if message["role"] == "system")
    return f"You said: {said} -- message {len(messages)} of our conversation. I was told: {told}"


def events(words: list[str]) -> Iterator[str]:
    """Yield the data of each server-sent event, the closing one included."""
    for number, word in enumerate(words):
        text = word if number == 0 else f" {word}"
        yield json.dumps({"choices": [{"delta": {"content": text}}]})
    yield "[DONE]"


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for a language model.")
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--first-token-seconds", type=float, default=0.4)
    parser.add_argument("--tokens-per-second", type=float, default=60.0)
    options = parser.parse_args()
    Handler.key = os.environ.get("LLM_STUB_KEY", "")
    Handler.behaviour.change(
        {"first_token_seconds": options.first_token_seconds, "tokens_per_second": options.tokens_per_second}
    )
    Server(("", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
