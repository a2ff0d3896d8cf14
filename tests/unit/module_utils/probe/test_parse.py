# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.options import CHECK_OPTIONS, LOAD_OPTIONS
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.parse import (
    parse_checks,
    parse_load,
    parse_probe,
    parse_target,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.types import (
    Address,
    Check,
    JsonRule,
    Load,
    ProbeError,
    Target,
)


def test_an_empty_check_is_get_of_the_root() -> None:
    assert parse_checks([{}]) == [Check(name="GET /")]


def test_options_that_ansible_fills_with_none_are_the_same_as_missing() -> None:
    assert parse_checks([dict.fromkeys(CHECK_OPTIONS)]) == parse_checks([{}])
    assert parse_load(dict.fromkeys(LOAD_OPTIONS)) == parse_load({})


def test_a_full_check() -> None:
    described = {
        "name": "search",
        "path": "/api/search?q=1",
        "method": "post",
        "headers": {"Accept": "application/json"},
        "secret_headers": {"Authorization": "Bearer x"},
        "json": {"N_VIDEOS": 24},
        "status": [200, "201"],
        "expect_headers": {"Content-Type": "^application/json"},
        "expect_json": {"videos": {"length": 24}, r"a\.b.0": "x"},
        "contains": "video",
        "max_seconds": "1.5",
    }
    assert parse_checks([described]) == [
        Check(
            name="search",
            path="/api/search?q=1",
            method="POST",
            headers={"Content-Type": "application/json", "Accept": "application/json", "Authorization": "Bearer x"},
            data=b'{"N_VIDEOS": 24}',
            status=(200, 201),
            expect_headers={"Content-Type": "^application/json"},
            expect_json=(
                JsonRule("videos", ("videos",), "length", 24),
                JsonRule(r"a\.b.0", ("a.b", "0"), "equals", "x"),
            ),
            contains="video",
            max_seconds=1.5,
        )
    ]


def test_json_may_be_any_value_and_body_is_sent_as_it_is() -> None:
    sent = parse_checks([{"method": "PUT", "json": []}, {"method": "PUT", "json": 0}, {"method": "PUT", "body": "ñ"}])
    assert [check.data for check in sent] == [b"[]", b"0", "ñ".encode()]


def test_the_whole_document_is_a_dot() -> None:
    assert parse_checks([{"expect_json": {".": {"length": 3}}}])[0].expect_json[0].keys == ()


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"status": "ok"}, "checks[2].status: 'ok' is not a number from 100 to 599"),
        ({"status": True}, "checks[2].status: True is not a number from 100 to 599"),
        ({"status": [200, 2000]}, "checks[2].status: 2000 is not a number from 100 to 599"),
        ({"status": []}, "checks[2].status: is an empty list; name at least one status"),
        ({"expect_jsn": {}}, "checks[2].expect_jsn: is not known; did you mean expect_json?"),
        ({"zzz": 1}, "checks[2].zzz: is not known; known are name, path"),
        ({"path": "health"}, "checks[2].path: 'health' must start with /"),
        ({"path": "/a b"}, "checks[2].path: '/a b' must start with / and hold no blanks"),
        ({"path": "/a\r\nX-Evil: 1"}, "checks[2].path:"),
        ({"path": 5}, "checks[2].path: 5 must start with /"),
        ({"method": "FETCH"}, "checks[2].method: 'FETCH' is not one of GET, HEAD"),
        ({"headers": ["a"]}, "checks[2].headers: ['a'] is not a mapping"),
        ({"headers": {"a b": "1"}}, "checks[2].headers: 'a b' is not a header's name"),
        ({"headers": {"A": "1\r\nB: 2"}}, "checks[2].headers.A: must be one line of text"),
        ({"headers": {"A": None}}, "checks[2].headers.A: must be one line of text"),
        ({"headers": {"authorization": "x"}}, "checks[2].headers.authorization: would be shown in logs"),
        ({"json": 1, "body": "x"}, "checks[2]: has both json and body"),
        ({"body": ""}, "checks[2].body: '' is not a text"),
        ({"contains": 7}, "checks[2].contains: 7 is not a text"),
        ({"max_seconds": "soon"}, "checks[2].max_seconds: 'soon' is not a number from 0.001 to 600"),
        ({"max_seconds": -1}, "checks[2].max_seconds: -1 is not a number"),
        ({"max_seconds": True}, "checks[2].max_seconds: True is not a number"),
        ({"max_seconds": float("nan")}, "checks[2].max_seconds: nan is not a number"),
        ({"expect_headers": {"A": "("}}, "checks[2].expect_headers.A: '(' is not a regular expression"),
        ({"expect_json": []}, "checks[2].expect_json: [] is not a mapping"),
        (
            {"expect_json": {"a": {"b": 1}}},
            "checks[2].expect_json.a: a mapping must hold exactly one of equals, exists",
        ),
        ({"expect_json": {"a": {"exists": True, "length": 1}}}, "checks[2].expect_json.a: a mapping must hold exactly"),
        ({"expect_json": {"a": {"exists": "yes"}}}, "checks[2].expect_json.a.exists: 'yes' is not true or false"),
        ({"expect_json": {"a": {"length": -1}}}, "checks[2].expect_json.a.length: -1 is not a whole number"),
        ({"expect_json": {"a": {"matches": 5}}}, "checks[2].expect_json.a.matches: 5 is not a regular expression"),
        ({"expect_json": {"a..b": 1}}, "checks[2].expect_json.a..b: 'a..b' has an empty part"),
        ("GET /", "checks[2]: 'GET /' is not a mapping"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_place(check: Any, message: str) -> None:
    with pytest.raises(ProbeError) as caught:
        parse_checks([{}, {}, check])
    assert str(caught.value).startswith(message)


def test_no_secret_is_in_an_error_text() -> None:
    for headers in ("canary", ["canary"], {"A": "canary\n"}, {"A": ["canary"]}):
        with pytest.raises(ProbeError) as caught:
            parse_checks([{"secret_headers": headers}])
        assert "canary" not in str(caught.value)
    with pytest.raises(ProbeError) as caught:
        parse_checks([{"headers": {"Authorization": "canary"}}])
    assert "canary" not in str(caught.value)


def test_checks_must_be_a_list() -> None:
    with pytest.raises(ProbeError, match=r"webstack_apps\[0\].checks: .* is not a list"):
        parse_checks({"path": "/"}, where="webstack_apps[0].checks")  # type: ignore[arg-type]


def test_a_load_has_bounds_even_when_none_are_given() -> None:
    assert parse_load({}) == Load(Check("load GET /"), requests=100, concurrency=4, max_seconds=30.0)


def test_a_load_needs_no_more_connections_than_requests() -> None:
    assert parse_load({"requests": 2, "concurrency": 8}).concurrency == 2


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ({"requests": 0}, "load.requests: 0 is not a whole number from 1 to 100000"),
        ({"requests": 10**9}, "load.requests: 1000000000 is not a whole number from 1 to 100000"),
        ({"requests": 1.5}, "load.requests: 1.5 is not a whole number"),
        ({"concurrency": 65}, "load.concurrency: 65 is not a whole number from 1 to 64"),
        ({"max_seconds": 3600}, "load.max_seconds: 3600 is not a number from 0.1 to 600"),
        ({"max_error_rate": 5}, "load.max_error_rate: 5 is not a number from 0 to 1"),
        ({"max_p95": 5}, "load.max_p95: is not known; did you mean max_p95_ms?"),
        ({"contains": "x"}, "load.contains: is not known"),
    ],
)
def test_a_load_without_sensible_bounds_is_refused(load: dict[str, Any], message: str) -> None:
    with pytest.raises(ProbeError) as caught:
        parse_load(load)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("url", "connect_to", "address"),
    [
        ("http://a.test", None, Address("a.test", 80)),
        ("https://a.test", None, Address("a.test", 443)),
        ("https://a.test:8443/", None, Address("a.test", 8443)),
        ("http://[::1]:8000", None, Address("::1", 8000)),
        ("https://a.test", "127.0.0.1", Address("127.0.0.1", 443)),
        ("https://a.test:8443", "127.0.0.1", Address("127.0.0.1", 8443)),
        ("https://a.test", "127.0.0.1:9443", Address("127.0.0.1", 9443)),
        ("https://a.test", "::1", Address("::1", 443)),
        ("https://a.test", "[::1]:9443", Address("::1", 9443)),
        ("http://a.test", "web-1:81", Address("web-1", 81)),
        ("http://a.test", "unix:/run/a/live.sock", Address(path="/run/a/live.sock")),
    ],
)
def test_where_to_connect(url: str, connect_to: str | None, address: Address) -> None:
    assert parse_target(url, connect_to).address == address


def test_the_path_prefix_of_the_url_is_kept_without_its_slash() -> None:
    assert parse_target("http://a.test/v1/").url == "http://a.test/v1"


def test_what_certificates_are_held_against() -> None:
    assert parse_target("https://a.test").verify is True
    assert parse_target("https://a.test", ca_file="/ca.pem").verify == "/ca.pem"
    assert parse_target("https://a.test", validate_certs=False, ca_file="/ca.pem").verify is False


@pytest.mark.parametrize("url", ["a.test", "ftp://a.test", "http://", "http://a.test:99999", "http://a.test/?x=1"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ProbeError, match="^url: "):
        parse_target(url)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ProbeError, match="secret_headers") as caught:
        parse_target("http://user:canary@a.test")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("connect_to", ["127.0.0.1:0", "127.0.0.1:99999", "a b", "http://127.0.0.1", "unix:run", ":80"])
def test_what_is_no_address(connect_to: str) -> None:
    with pytest.raises(ProbeError, match="^connect_to: "):
        parse_target("http://a.test", connect_to)


def test_a_probe_needs_something_to_do() -> None:
    with pytest.raises(ProbeError, match="nothing to check"):
        parse_probe({"url": "http://a.test", "checks": [], "load": None})


def test_a_probe_of_load_alone() -> None:
    probe = parse_probe({"url": "http://a.test", "checks": [], "load": {}, "timeout_seconds": 5, "retry_seconds": 1})
    assert probe.target == Target("http://a.test", Address("a.test", 80))
    assert (probe.checks, probe.load, probe.timeout_seconds, probe.retry_seconds) == ((), parse_load({}), 5.0, 1.0)


def test_limits_of_a_probe() -> None:
    with pytest.raises(ProbeError, match="^timeout_seconds: 0 is not a number from 0.1 to 600"):
        parse_probe({"url": "http://a.test", "checks": [{}], "timeout_seconds": 0})
    with pytest.raises(ProbeError, match="^retry_seconds: -1 is not a number from 0 to 600"):
        parse_probe({"url": "http://a.test", "checks": [{}], "retry_seconds": -1})
