# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge answers and loads. Pure: data in, verdicts out."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .hints import answer_hint, load_hint
from .types import Answer, Check, CheckResult, Finding, JsonRule, Load, LoadReport

EXCERPT_CHARACTERS = 200
_MISSING = object()


def judge(check: Check, answer: Answer) -> CheckResult:
    """Return the verdict on one answer."""
    findings = list(_findings(check, answer))
    failed = [finding for finding in findings if not finding.passed]
    told = failed or findings
    return CheckResult(
        name=check.name,
        passed=not failed,
        wanted="; ".join(finding.wanted for finding in told),
        got="; ".join(finding.got for finding in told),
        body=excerpt(answer.body) if failed else "",
        hint=answer_hint(check, answer) if failed else "",
        seconds=round(answer.seconds, 3),
    )


def excerpt(body: bytes) -> str:
    """Return the first 200 characters of a body on one line."""
    text = body[: EXCERPT_CHARACTERS * 8].decode("utf-8", "replace")
    return " ".join(text.split())[:EXCERPT_CHARACTERS]


def _findings(check: Check, answer: Answer) -> Iterator[Finding]:
    statuses = " or ".join(str(status) for status in check.status)
    if answer.failure:
        yield Finding(False, f"status {statuses}", answer.failure.text)
        return
    yield Finding(answer.status in check.status, f"status {statuses}", f"status {answer.status}")
    for name, pattern in check.expect_headers.items():
        yield _judge_header(name, pattern, answer.headers.get(name.lower()))
    if check.contains is not None:
        found = check.contains in answer.body.decode("utf-8", "replace")
        got = "the body has it" if found else f"a body of {len(answer.body)} bytes without it"
        yield Finding(found, f"a body with {check.contains!r}", got)
    if check.expect_json:
        yield from _judge_json(check.expect_json, answer.body)
    if check.max_seconds is not None:
        yield Finding(
            answer.seconds <= check.max_seconds, f"at most {check.max_seconds:g} s", f"{answer.seconds:.3f} s"
        )


def _judge_header(name: str, pattern: str, value: str | None) -> Finding:
    wanted = f"header {name} matching {pattern!r}"
    if value is None:
        return Finding(False, wanted, f"no header {name}")
    return Finding(re.search(pattern, value) is not None, wanted, f"{name}: {value}")


def _judge_json(rules: Iterable[JsonRule], body: bytes) -> Iterator[Finding]:
    try:
        document = json.loads(body)
    except ValueError:
        yield Finding(False, "a JSON body", "a body that is not JSON" if body else "an empty body")
        return
    for rule in rules:
        yield _judge_rule(rule, look_up(document, rule.keys))


def look_up(document: Any, keys: Sequence[str]) -> Any:
    """Return the value at ``keys`` (names, or indexes of lists), or a marker that equals nothing."""
    for key in keys:
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list) and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return _MISSING
    return document


def _judge_rule(rule: JsonRule, found: Any) -> Finding:
    got = f"no {rule.path}" if found is _MISSING else f"{rule.path} = {_show(found)}"
    if rule.operator == "exists":
        wanted = f"{rule.path} present" if rule.value else f"no {rule.path}"
        return Finding((found is not _MISSING) == rule.value, wanted, got)
    if rule.operator == "matches":
        matched = found is not _MISSING and re.search(rule.value, _as_text(found)) is not None
        return Finding(matched, f"{rule.path} matching {rule.value!r}", got)
    if rule.operator == "length":
        length = len(found) if isinstance(found, (list, dict, str)) else None
        got = got if length is None else f"{rule.path} with {length} entries"
        return Finding(length == rule.value, f"{rule.path} with {rule.value} entries", got)
    return Finding(_same(found, rule.value), f"{rule.path} = {_show(rule.value)}", got)


def _same(found: Any, wanted: Any) -> bool:
    """Compare as JSON does: true is not 1, but 1.0 is 1."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(_same(found[key], wanted[key]) for key in wanted)
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= EXCERPT_CHARACTERS else text[:EXCERPT_CHARACTERS] + "…"


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """Return the nearest-rank percentile of ascending values: the smallest one that ``percent`` % do not exceed."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def summarize(load: Load, answers: Sequence[Answer], seconds: float) -> LoadReport:
    """Return what a load's answers amount to; an answer with another status than declared is an error."""
    good = sorted(answer.seconds * 1000 for answer in answers if _right(load.check, answer))
    errors = Counter(_error_kind(answer) for answer in answers if not _right(load.check, answer))
    wrong = sum(errors.values())
    return LoadReport(
        requests=len(answers),
        errors=wrong,
        error_rate=round(wrong / len(answers), 6) if answers else 0.0,
        seconds=round(seconds, 3),
        requests_per_second=round(len(good) / seconds, 1) if seconds > 0 else 0.0,
        p50_ms=_rounded(percentile(good, 50)),
        p95_ms=_rounded(percentile(good, 95)),
        p99_ms=_rounded(percentile(good, 99)),
        max_ms=_rounded(good[-1] if good else None),
        stopped_by="requests" if len(answers) >= load.requests else "max_seconds",
        error_kinds=dict(errors.most_common(5)),
    )


def _right(check: Check, answer: Answer) -> bool:
    return answer.failure is None and answer.status in check.status


def _error_kind(answer: Answer) -> str:
    return answer.failure.text if answer.failure else f"status {answer.status}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def judge_load(load: Load, report: LoadReport) -> list[CheckResult]:
    """Return one verdict per threshold; the error rate always has one."""
    rate = Finding(
        report.requests > 0 and report.error_rate <= load.max_error_rate,
        f"an error rate of at most {load.max_error_rate:g}",
        f"{report.error_rate:g} ({report.errors} of {report.requests} requests{_kinds(report)})",
    )
    named = [("error rate", rate)]
    for name, limit, value in (
        ("p50", load.max_p50_ms, report.p50_ms),
        ("p95", load.max_p95_ms, report.p95_ms),
        ("p99", load.max_p99_ms, report.p99_ms),
    ):
        if limit is not None:
            got = "no right answer" if value is None else f"{value:g} ms"
            named.append((name, Finding(value is not None and value <= limit, f"{name} at most {limit:g} ms", got)))
    floor = load.min_requests_per_second
    if floor is not None:
        got = f"{report.requests_per_second:g} a second"
        named.append(("rate", Finding(report.requests_per_second >= floor, f"at least {floor:g} a second", got)))
    return [_load_result(load, name, finding) for name, finding in named]


def _kinds(report: LoadReport) -> str:
    return "".join(f"; {count} × {kind}" for kind, count in report.error_kinds.items())


def _load_result(load: Load, name: str, finding: Finding) -> CheckResult:
    hint = "" if finding.passed else load_hint(name)
    return CheckResult(f"{load.check.name}: {name}", finding.passed, finding.wanted, finding.got, hint=hint)
