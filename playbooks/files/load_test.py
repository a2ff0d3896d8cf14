# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What load_test.yml gives Locust beside the app's own locustfile: where to connect, and a judgement at the end.

All of it comes as JSON in ``WEBSTACK_LOAD_TEST``: ``domain``, ``connect_to`` and ``verify``, and the thresholds.
The judgement is a line of JSON on stdout, after ``WEBSTACK_LOAD_TEST``.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

MARK = "WEBSTACK_LOAD_TEST"
PERCENTILE = 0.95


def problems(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield one sentence for each threshold that was not kept.

    ``found`` is what ``summary`` returns, ``wanted`` the app's ``load_test``.
    """
    if not found["requests"]:
        yield "no request was made: does the locustfile have a task, and were there any users?"
        return
    most = float(wanted["max_error_percent"])
    percent = 100 * found["failed"] / found["requests"]
    if percent > most:
        share = f"{found['failed']} of {found['requests']} requests failed"
        yield f"{share} ({percent:.2f} %, max_error_percent is {most:g})"
    for name, kind in found["kinds"].items():
        for key, option in (("p95_ms", "max_p95_ms"), ("mean_ms", "max_mean_ms")):
            limit = (wanted.get("kinds") or {}).get(name, {}).get(option, wanted.get(option))
            if limit is not None and kind[key] > float(limit):
                yield f"{name}: {option.removeprefix('max_')} was {kind[key]:.0f}, {option} is {float(limit):g}"
    least = wanted.get("min_requests_per_second")
    if least is not None and found["requests_per_second"] < float(least):
        rate = found["requests_per_second"]
        yield f"{rate:.1f} requests a second, min_requests_per_second is {float(least):g}"


def unknown_kinds(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each kind of request that has thresholds and never came: a typing error, mostly."""
    for name in wanted.get("kinds") or {}:
        if name not in found["kinds"]:
            yield f"kinds.{name}: there was no such request; there were {', '.join(found['kinds'])}"


def summary(stats: Any) -> dict[str, Any]:
    """Return what Locust has counted. Kinds go by their name; one name with two methods by both."""
    entries = sorted(stats.entries.values(), key=lambda entry: (entry.name, entry.method))
    names = [entry.name for entry in entries]
    kinds = {
        entry.name if names.count(entry.name) == 1 else f"{entry.method} {entry.name}": {
            "requests": entry.num_requests,
            "failed": entry.num_failures,
            "p95_ms": float(entry.get_response_time_percentile(PERCENTILE) or 0),
            "mean_ms": round(entry.avg_response_time, 1),
        }
        for entry in entries
    }
    errors = sorted(stats.errors.values(), key=lambda error: -error.occurrences)
    return {
        "requests": stats.total.num_requests,
        "failed": stats.total.num_failures,
        "requests_per_second": round(stats.total.total_rps, 1),
        "kinds": kinds,
        "errors": [f"{error.occurrences} x {error.name}: {error.error}"[:300] for error in errors[:5]],
    }


def connect_to(domain: str, there: str) -> None:
    """Let ``domain`` be at the address ``there``, whatever DNS says; TLS and the Host header name it as before."""
    import gevent.socket

    for module in (socket, gevent.socket):
        real = module.getaddrinfo

        def getaddrinfo(host: Any, *rest: Any, _real: Any = real, **options: Any) -> Any:
            return _real(there if host == domain else host, *rest, **options)

        module.getaddrinfo = getaddrinfo


def trust_any_certificate(user_class: Any) -> None:
    """Let the users of a class accept a self-signed certificate."""
    make = user_class.__init__

    def init(self: Any, *arguments: Any, **options: Any) -> None:
        make(self, *arguments, **options)
        # FastHttpUser does so anyway, and its client has no such attribute.
        if hasattr(getattr(self, "client", None), "verify"):
            self.client.verify = False

    user_class.__init__ = init


def install(wanted: Mapping[str, Any]) -> None:
    """Take part in Locust's run."""
    from locust import events

    if wanted.get("connect_to"):
        connect_to(wanted["domain"], wanted["connect_to"])

    @events.init.add_listener
    def prepare(environment: Any, **_unused: Any) -> None:
        if not wanted["verify"]:
            import urllib3

            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            for user_class in environment.user_classes:
                trust_any_certificate(user_class)

    @events.quitting.add_listener
    def judge(environment: Any, **_unused: Any) -> None:
        found = summary(environment.stats)
        wrong = [*problems(found, wanted), *unknown_kinds(found, wanted)]
        environment.process_exit_code = 1 if wrong else 0
        print(MARK, json.dumps({**found, "problems": wrong}), flush=True)


if MARK in os.environ:
    install(json.loads(os.environ[MARK]))
