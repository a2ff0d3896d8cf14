# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic as of ``traffic.py``, with the requests of an app of its own in the place of ``/echo``.

def ask(client: str, number: int) -> Ask:
    return Ask("GET", "/api/services", judge=lambda answer: None if answer.json() else "an empty list")

with AppTraffic("https://10.89.0.5", ask, host="citas.example.com", tls_verify=False) as traffic:
    deploy()
traffic.report().assert_clean(minimum_requests=1000)
slow = [answer for answer in traffic.answers if answer.milliseconds > 500]
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .traffic import Broken, Traffic, _Connection


@dataclass(frozen=True)
class Answer:
    """One answer; ``second`` counts from an arbitrary start, ``headers`` have lower-case names."""

    second: float
    path: str
    status: int
    milliseconds: float
    headers: Mapping[str, str]
    content: bytes = field(repr=False, default=b"")

    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def release(self) -> str:
        return self.headers.get("x-release", "")


@dataclass(frozen=True)
class Ask:
    """One request; ``judge`` says what is wrong with an answer that has the right status, or None."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    judge: Callable[[Answer], str | None] = lambda answer: None


class AppTraffic(Traffic):
    """``ask(client, number)`` says what each client asks for next. All answers are kept, without their content."""

    def __init__(self, url: str, ask: Callable[[str, int], Ask], **options: Any) -> None:
        super().__init__(url, **options)
        self._ask = ask
        self.answers: list[Answer] = []

    def __enter__(self) -> AppTraffic:
        self.start()
        return self

    def _post(self, connection: _Connection, name: str, number: int) -> None:
        if connection.closed_by_server():
            connection.close()
            if self._idle_close_fails:
                raise Broken("idle close", "the server closed a keep-alive connection without announcing it")
        asked = self._ask(name, number)
        body = None if asked.body is None else json.dumps(asked.body).encode()
        self._log.count_request()
        started = time.monotonic()
        response = connection.request(asked.method, asked.path, body, asked.headers)
        content = connection.read(response)
        seconds = time.monotonic() - started
        headers = {key.lower(): value for key, value in response.getheaders()}
        answer = Answer(started, asked.path, response.status, seconds * 1000, headers, content)
        if response.status != asked.status:
            raise Broken("status", f"{response.status} for {asked.method} {asked.path}: {content[:200]!r}")
        try:
            wrong = asked.judge(answer)
        except (ValueError, LookupError, TypeError) as error:
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            raise Broken("wrong", f"{asked.path}: {wrong}: {content[:200]!r}")
        self._log.answered(seconds, headers.get("x-version"), answer.release or None)
        self.answers.append(Answer(started, asked.path, response.status, seconds * 1000, headers))


def percentile(values: list[float], part: float) -> float:
    """Return the value that ``part`` (0 to 1) of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def first_and_steady(answers: list[Answer], release: str, count: int) -> tuple[float, float]:
    """Return the p99 (ms) of a release's first ``count`` answers, and the median p99 of as many at a time before it.

    Raises ``ValueError`` when there were fewer answers than that.
    """
    ordered = sorted(answers, key=lambda answer: answer.second)
    first = [answer.milliseconds for answer in ordered if answer.release == release][:count]
    steady = [answer.milliseconds for answer in ordered if answer.release != release]
    windows = [steady[at : at + count] for at in range(0, len(steady) - count + 1, count)]
    if len(first) < count or not windows:
        raise ValueError(f"{len(first)} answers of {release} and {len(steady)} of others are too few")
    return percentile(first, 0.99), median(percentile(window, 0.99) for window in windows)
