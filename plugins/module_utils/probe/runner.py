# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run checks and bounded loads against a target."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from .client import Client
from .evaluate import judge, judge_load, summarize
from .types import Answer, Check, CheckResult, Load, LoadReport, Probe, ProbeReport, Target

_LEAST_SECONDS = 0.05


def run_probe(probe: Probe, *, reads_only: bool = False) -> ProbeReport:
    """Run the checks, then the load unless a check failed, and return all verdicts.

    Raises ``ProbeError`` where the library requests is missing.
    """
    results = run_checks(
        probe.target,
        probe.checks,
        timeout_seconds=probe.timeout_seconds,
        retry_seconds=probe.retry_seconds,
        reads_only=reads_only,
    )
    if probe.load is None:
        return ProbeReport(tuple(results))
    if reads_only and not probe.load.check.only_reads:
        return ProbeReport((*results, _skipped(probe.load.check)))
    if any(result.failed for result in results):
        return ProbeReport((*results, _load_withheld(probe.load)))
    report = run_load(probe.target, probe.load)
    return ProbeReport((*results, *judge_load(probe.load, report)), report)


def run_checks(
    target: Target,
    checks: Sequence[Check],
    *,
    timeout_seconds: float = 30.0,
    retry_seconds: float = 0.0,
    reads_only: bool = False,
) -> list[CheckResult]:
    """Return one result per check, in their order.

    Failed checks are tried again every ``retry_seconds`` (0: never) until they pass or
    ``timeout_seconds`` are over; a request that may have changed something is not sent twice.
    With ``reads_only`` only GET, HEAD and OPTIONS are sent and the other checks are skipped.
    Raises ``ProbeError`` where the library requests is missing.
    """
    deadline = time.monotonic() + timeout_seconds
    results: dict[int, CheckResult] = {}
    waiting = list(range(len(checks)))
    with Client(target) as client:
        while waiting:
            again = []
            for number in waiting:
                before = results.get(number)
                results[number], repeatable = _try(client, checks[number], deadline, reads_only, before)
                if results[number].failed and repeatable:
                    again.append(number)
            waiting = again if retry_seconds > 0 and time.monotonic() + retry_seconds < deadline else []
            if waiting:
                time.sleep(retry_seconds)
    return [results[number] for number in range(len(checks))]


def _try(
    client: Client, check: Check, deadline: float, reads_only: bool, before: CheckResult | None
) -> tuple[CheckResult, bool]:
    if reads_only and not check.only_reads:
        return _skipped(check), False
    remaining = deadline - time.monotonic()
    if remaining < _LEAST_SECONDS:
        return before or _too_late(check), False
    answer = client.send(check, min(check.limit_seconds, remaining))
    if before and remaining < check.limit_seconds and answer.failure and answer.failure.kind == "timeout":
        return before, False  # this try was cut short by our own deadline: the one before tells more
    result = replace(judge(check, answer), tries=before.tries + 1 if before else 1)
    return result, check.only_reads or bool(answer.failure and answer.failure.sent_nothing)


def _skipped(check: Check) -> CheckResult:
    got = f"skipped: a {check.method} is not sent in check mode"
    return CheckResult(check.name, passed=False, wanted="an answer", got=got, skipped=True, tries=0)


def _load_withheld(load: Load) -> CheckResult:
    got = "skipped: a check before it failed"
    return CheckResult(load.check.name, passed=False, wanted="a load to measure", got=got, skipped=True, tries=0)


def _too_late(check: Check) -> CheckResult:
    hint = "the checks before it used up the time: see to those first, or allow more timeout_seconds"
    return CheckResult(check.name, passed=False, wanted="an answer", got="not sent: no time left", hint=hint, tries=0)


def run_load(target: Target, load: Load) -> LoadReport:
    """Send the load and return what it measured.

    No request begins after ``load.max_seconds``; those under way may take 10 s more, so
    that a request which hangs is counted as the error it is. Raises ``ProbeError`` where
    the library requests is missing.
    """
    shared = _Shared(load.requests, time.monotonic() + load.max_seconds)
    clients = [Client(target) for _unused in range(load.concurrency)]
    threads = [threading.Thread(target=_send_share, args=(client, load, shared)) for client in clients]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return summarize(load, shared.answers, time.monotonic() - started)


class _Shared:
    """What the threads of one load share: how many requests are left, and the answers."""

    def __init__(self, requests: int, deadline: float) -> None:
        self._lock = threading.Lock()
        self._left = requests
        self._deadline = deadline
        self.answers: list[Answer] = []

    def take(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left >= 0 and time.monotonic() < self._deadline

    def add(self, answer: Answer) -> None:
        self.answers.append(replace(answer, body=b"", headers={}))


def _send_share(client: Client, load: Load, shared: _Shared) -> None:
    with client:
        while shared.take():
            shared.add(client.send(load.check, load.check.limit_seconds))
