# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read checks, loads and targets from plain data, and refuse what makes no sense.

Every function raises ``ProbeError`` with the place, the value and what would be right.
A value of None is the same as a missing one.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from .options import CHECK_OPTIONS, LOAD_OPTIONS
from .types import Address, Check, JsonRule, Load, Probe, ProbeError, Target

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
JSON_OPERATORS = ("equals", "exists", "matches", "length")
SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization", "x-api-key")
MAX_REQUESTS = 100_000
MAX_CONCURRENCY = 64
MAX_SECONDS = 600.0
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WHOLE_DOCUMENT = "."


def parse_probe(options: Mapping[str, Any]) -> Probe:
    """Return the probe that the options of ``endpoint_probe`` describe."""
    if not options.get("checks") and options.get("load") is None:
        raise ProbeError("checks and load: both are missing, so there is nothing to check")
    target = parse_target(
        options["url"], options.get("connect_to"), options.get("validate_certs", True), options.get("ca_file")
    )
    return Probe(
        target=target,
        checks=tuple(parse_checks(options.get("checks") or [])),
        load=None if options.get("load") is None else parse_load(options["load"]),
        timeout_seconds=_number(options, "timeout_seconds", "", 0.1, MAX_SECONDS) or 30.0,
        retry_seconds=_number(options, "retry_seconds", "", 0, MAX_SECONDS) or 0.0,
    )


def parse_checks(items: list[dict[str, Any]], where: str = "checks") -> list[Check]:
    """Return the checks that ``items`` describe; ``where`` is their name in error texts."""
    if not isinstance(items, (list, tuple)):
        raise ProbeError(f"{where}: {items!r} is not a list of checks")
    return [parse_check(item, f"{where}[{index}]") for index, item in enumerate(items)]


def parse_check(item: Mapping[str, Any], where: str) -> Check:
    """Return one check."""
    given = _given(item, CHECK_OPTIONS, where)
    method, path = _method(given, where), _path(given, where)
    headers, data = _request(given, where)
    return Check(
        name=_text(given, "name", where) or f"{method} {path}",
        path=path,
        method=method,
        headers=headers,
        data=data,
        status=_status(given.get("status", 200), f"{where}.status"),
        expect_headers=_patterns(given.get("expect_headers", {}), f"{where}.expect_headers"),
        expect_json=_json_rules(given.get("expect_json", {}), f"{where}.expect_json"),
        contains=_text(given, "contains", where),
        max_seconds=_number(given, "max_seconds", where, 0.001, MAX_SECONDS),
    )


def parse_load(item: Mapping[str, Any], where: str = "load") -> Load:
    """Return a bounded load; without limits of its own it is 100 requests over 4 connections in 30 s at most."""
    given = _given(item, LOAD_OPTIONS, where)
    method, path = _method(given, where), _path(given, where)
    headers, data = _request(given, where)
    status = _status(given.get("status", 200), f"{where}.status")
    requests = int(_number(given, "requests", where, 1, MAX_REQUESTS, whole=True) or 100)
    concurrency = int(_number(given, "concurrency", where, 1, MAX_CONCURRENCY, whole=True) or 4)
    return Load(
        check=Check(f"load {method} {path}", path, method, headers, data, status),
        requests=requests,
        concurrency=min(concurrency, requests),
        max_seconds=_number(given, "max_seconds", where, 0.1, MAX_SECONDS) or 30.0,
        max_error_rate=_number(given, "max_error_rate", where, 0, 1) or 0.0,
        max_p50_ms=_number(given, "max_p50_ms", where, 0.001, MAX_SECONDS * 1000),
        max_p95_ms=_number(given, "max_p95_ms", where, 0.001, MAX_SECONDS * 1000),
        max_p99_ms=_number(given, "max_p99_ms", where, 0.001, MAX_SECONDS * 1000),
        min_requests_per_second=_number(given, "min_requests_per_second", where, 0.001, 1e6),
    )


def parse_target(
    url: str, connect_to: str | None = None, validate_certs: bool = True, ca_file: str | None = None
) -> Target:
    """Return the target of ``url``, reached at ``connect_to`` (``host``, ``host:port`` or ``unix:/path``)."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError as error:
        raise ProbeError(f"url: {url!r} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ProbeError(f"url: {url!r} must look like http://HOST or https://HOST:PORT")
    if parts.username is not None or parts.password is not None:
        raise ProbeError("url: must not hold a user or password: send them in a check's secret_headers")
    if parts.query or parts.fragment:
        raise ProbeError(f"url: {url!r} must end before '?' and '#': a query belongs into a check's path")
    address = _address(connect_to, port) if connect_to else Address(parts.hostname, port)
    verify: bool | str = (ca_file or True) if validate_certs else False
    return Target(url.rstrip("/"), address, verify)


def _address(connect_to: str, port: int) -> Address:
    if connect_to.startswith("unix:/"):
        return Address(path=connect_to[len("unix:") :])
    if connect_to.count(":") > 1 and not connect_to.startswith("["):
        return Address(connect_to, port)  # a bare IPv6 address
    match = re.fullmatch(
        r"(?:\[(?P<six>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\s:/\[\]]+))(?::(?P<port>\d{1,5}))?", connect_to
    )
    if not match or not 0 < int(match["port"] or port) < 65536:
        raise ProbeError(
            f"connect_to: {connect_to!r} must look like 127.0.0.1, 127.0.0.1:8443, [::1]:8443 or unix:/PATH"
        )
    return Address(match["six"] or match["host"], int(match["port"] or port))


def _given(item: Mapping[str, Any], known: Iterable[str], where: str) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise ProbeError(f"{where}: {item!r} is not a mapping")
    for key in item:
        if key not in known:
            close = difflib.get_close_matches(str(key), list(known), 1)
            remedy = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise ProbeError(f"{where}.{key}: is not known; {remedy}")
    return {key: value for key, value in item.items() if value is not None}


def _text(given: Mapping[str, Any], key: str, where: str) -> str | None:
    value = given.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise ProbeError(f"{where}.{key}: {value!r} is not a text; put it in quotes")
    return value


def _method(given: Mapping[str, Any], where: str) -> str:
    method = str(given.get("method", "GET")).upper()
    if method not in METHODS:
        raise ProbeError(f"{where}.method: {given['method']!r} is not one of {', '.join(METHODS)}")
    return method


def _path(given: Mapping[str, Any], where: str) -> str:
    path = given.get("path", "/")
    if not isinstance(path, str) or not path.startswith("/") or re.search(r"[\s#]", path) or _CONTROL.search(path):
        raise ProbeError(f"{where}.path: {path!r} must start with / and hold no blanks and no '#'")
    return path


def _request(given: Mapping[str, Any], where: str) -> tuple[dict[str, str], bytes | None]:
    headers = _headers(given.get("headers", {}), f"{where}.headers")
    for name in headers:
        if name.lower() in SECRET_HEADERS:
            raise ProbeError(f"{where}.headers.{name}: would be shown in logs; move it to {where}.secret_headers")
    headers.update(_headers(given.get("secret_headers", {}), f"{where}.secret_headers", secret=True))
    if "json" in given and "body" in given:
        raise ProbeError(f"{where}: has both json and body; a request carries one of them")
    if "json" in given:
        return {"Content-Type": "application/json", **headers}, json.dumps(given["json"]).encode()
    body = _text(given, "body", where)
    return headers, None if body is None else body.encode()


def _headers(value: Any, where: str, secret: bool = False) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ProbeError(f"{where}: {'the value' if secret else repr(value)} is not a mapping of names to values")
    headers: dict[str, str] = {}
    for name, content in value.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ProbeError(f"{where}: {name!r} is not a header's name")
        if isinstance(content, (Mapping, list, tuple)) or content is None or _CONTROL.search(str(content)):
            raise ProbeError(f"{where}.{name}: must be one line of text")
        headers[name] = str(content)
    return headers


def _status(value: Any, where: str) -> tuple[int, ...]:
    values = value if isinstance(value, (list, tuple)) else [value]
    if not values:
        raise ProbeError(f"{where}: is an empty list; name at least one status")
    for status in values:
        text = "" if isinstance(status, bool) else str(status)
        if not re.fullmatch(r"[1-5]\d\d", text):
            raise ProbeError(f"{where}: {status!r} is not a number from 100 to 599")
    return tuple(int(status) for status in values)


def _number(
    given: Mapping[str, Any], key: str, where: str, low: float, high: float, whole: bool = False
) -> float | None:
    value = given.get(key)
    if value is None:
        return None
    where = f"{where}.{key}" if where else key
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not low <= number <= high or (whole and number != int(number)):
        kind = "a whole number" if whole else "a number"
        raise ProbeError(f"{where}: {value!r} is not {kind} from {low:g} to {high:g}")
    return number


def _patterns(value: Any, where: str) -> dict[str, str]:
    patterns = _headers(value, where)
    for name, pattern in patterns.items():
        _compiles(pattern, f"{where}.{name}")
    return patterns


def _compiles(pattern: Any, where: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        raise ProbeError(f"{where}: {pattern!r} is not a regular expression: {error}") from None


def _json_rules(value: Any, where: str) -> tuple[JsonRule, ...]:
    if not isinstance(value, Mapping):
        raise ProbeError(f"{where}: {value!r} is not a mapping of dotted paths to values")
    return tuple(_json_rule(str(path), wanted, f"{where}.{path}") for path, wanted in value.items())


def _json_rule(path: str, wanted: Any, where: str) -> JsonRule:
    operator, operand = "equals", wanted
    if isinstance(wanted, Mapping):
        if len(wanted) != 1 or next(iter(wanted)) not in JSON_OPERATORS:
            raise ProbeError(
                f"{where}: a mapping must hold exactly one of {', '.join(JSON_OPERATORS)}; "
                "to compare with a mapping write {equals: {...}}"
            )
        operator, operand = next(iter(wanted.items()))
    _check_operand(operator, operand, f"{where}.{operator}")
    return JsonRule(path, _keys(path, where), operator, operand)


def _check_operand(operator: str, operand: Any, where: str) -> None:
    if operator == "exists" and not isinstance(operand, bool):
        raise ProbeError(f"{where}: {operand!r} is not true or false")
    if operator == "length" and (isinstance(operand, bool) or not isinstance(operand, int) or operand < 0):
        raise ProbeError(f"{where}: {operand!r} is not a whole number from 0")
    if operator == "matches":
        _compiles(operand, where)


def _keys(path: str, where: str) -> tuple[str, ...]:
    if path == _WHOLE_DOCUMENT:
        return ()
    keys = tuple(key.replace(r"\.", ".") for key in re.split(r"(?<!\\)\.", path))
    if not all(keys):
        raise ProbeError(f"{where}: {path!r} has an empty part; write a.b.0.c, a\\.b for a dot in a name, or . for all")
    return keys
