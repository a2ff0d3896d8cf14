# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each mistake in an entry is named with its variable, its value and the way out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.filter.app_problems import app_problems

SHOP = {"name": "shop", "source": {"path": "."}, "entrypoint": "shop.main:app"}
MISTAKES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "name with a slash": ({"name": "my/app"}, ("name", "'my/app'", "lower-case")),
    "name too long": ({"name": "a" * 32}, ("name", "at most 31")),
    "name of a service": ({"name": "redis"}, ("name", "'redis'", "'redis_app'")),
    "entrypoint of the wrong form": ({"entrypoint": "shop"}, ("entrypoint", "'shop'", "package.module:name")),
    "token in an address": (
        {"source": {"git": {"repo": "https://t0ken@git.example.com/shop.git"}}},
        ("source.git.repo", "git.example.com", "SSH key"),
    ),
    "password in an address": (
        {"source": {"git": {"repo": "ssh://git:t0ken@git.example.com/shop"}}},
        ("source.git.repo", "git.example.com", "credential helper"),
    ),
    "domain with a scheme": ({"domain": "http://shop.test"}, ("domain", "'http://shop.test'", "no http://")),
    "domain with a port": ({"domains": ["ok.test", "shop.test:80"]}, ("domains[1]", "'shop.test:80'", "port")),
    "domain that ends nginx's line": ({"domain": "a.test; }"}, ("domain", "'a.test; }'")),
    "variable with a space": ({"environment": {"A B": 1}}, ("environment", "'A B'", "letters, digits and '_'")),
    "secret's name": ({"secrets": {"A-B": "x"}}, ("secrets", "'A-B'", "letters")),
    "variable that is a list": ({"environment": {"A": [1]}}, ("environment.A", "a list", "to_json")),
    "variable with NUL": ({"environment": {"A": "\0"}}, ("environment.A", "NUL", "encode")),
    "health that is a number": ({"health": 5}, ("health", "5", "/health")),
    "health without a slash": ({"health": {"path": "health"}}, ("health", "'health'", "/health")),
    "health with a misspelt key": ({"health": {"path": "/", "stauts": 200}}, ("health.stauts", "status")),
    "migration with a misspelt key": ({"migrate": ["true", {"rnu": "x"}]}, ("migrate[1]", "'rnu'", "run and undo")),
    "migration of nothing": ({"migrate": [" "]}, ("migrate[0]", "' '", "write one")),
    "rate without a unit": ({"rate_limits": [{"rate": "10"}]}, ("rate_limits[0].rate", "'10'", "10r/s")),
    "rate of nothing": ({"rate_limits": [{"rate": "0r/s"}]}, ("rate_limits[0].rate", "'0r/s'")),
    "limit's path": ({"rate_limits": [{"rate": "1r/s", "path": "a"}]}, ("rate_limits[0].path", "'a'", "/login")),
    "path of metrics": ({"metrics": {"path": "metrics"}}, ("metrics.path", "'metrics'", "/metrics")),
    "path to leave out": ({"metrics": {"leave_out": ["/a b"]}}, ("metrics.leave_out[0]", "'/a b'")),
    "name of an alert": (
        {"metrics": {"alerts": [{"name": "a b"}]}},
        ("metrics.alerts[0].name", "'a b'", "CircuitOpen"),
    ),
    "time of an alert": ({"metrics": {"alerts": [{"name": "A", "for": "5"}]}}, ("metrics.alerts[0].for", "'5'", "5m")),
    "seconds of an alert": (
        {"metrics": {"alerts": [{"name": "A", "for": 300}]}},
        ("metrics.alerts[0].for", "300", "5m"),
    ),
    "order of a time": ({"metrics": {"alerts": [{"name": "A", "for": "5m1h"}]}}, ("metrics.alerts[0].for", "'5m1h'")),
    "number for an alert": ({"metrics": {"alerts": [{"name": 7}]}}, ("metrics.alerts[0].name", "7", "CircuitOpen")),
    "password of Redis": ({"redis": {"password": "short"}}, ("redis.password", "openssl")),
    "keys of Redis": ({"redis": {"password": "x" * 24, "keys": ["a b"]}}, ("redis.keys", "'a b'", "without spaces")),
    "check's status": ({"checks": [{"status": 99}]}, ("checks[0].status", "99")),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_value_and_remedy(name: str) -> None:
    changed, words = MISTAKES[name]
    (problem,) = app_problems([SHOP, {**SHOP, "name": "two", **changed}])
    assert problem.startswith(f"webstack_apps[1].{words[0]}")
    assert [word for word in words if word not in problem] == []


def test_every_mistake_is_told_at_once() -> None:
    assert len(app_problems([{**SHOP, "name": "redis", "domain": "a b"}, {**SHOP, "health": 5}])) == 3


@pytest.mark.parametrize("value", [["canary"], {"a": "canary"}, "canary\0"])
def test_the_value_of_a_secret_is_never_told(value: Any) -> None:
    (problem,) = app_problems([{**SHOP, "secrets": {"A": value}}])
    assert "canary" not in problem


@pytest.mark.parametrize(
    "fine",
    [
        {"domain": "shop.example.com"},
        {"domains": ["*.example.com", "xn--caf-dma.example", "localhost", "_"]},
        {"environment": {"A": 1, "B": None, "C_2": "x=y"}},
        {"health": "/health?deep=1"},
        {"health": {"path": "/", "status": 204, "timeout": 2, "host": "a"}},
        {"migrate": ["alembic upgrade head", {"run": "a", "undo": "b"}, {"run": "a"}]},
        {"rate_limits": [{"rate": "100r/m"}, {"path": "/login", "rate": "1r/s"}]},
        {"metrics": {"path": "/metrics", "leave_out": ["/chat"], "p95_seconds": 0.5}},
        {"metrics": {"alerts": [{"name": "CircuitOpen", "for": "1m30s"}, {"name": "Other"}]}},
        {"domain": None, "health": None, "checks": None, "migrate": None, "secrets": None},
    ],
)
def test_what_makes_sense_is_no_problem(fine: dict[str, Any]) -> None:
    assert app_problems([{**SHOP, **fine}]) == []


def test_a_token_in_an_address_is_not_repeated() -> None:
    app = {**SHOP, "source": {"git": {"repo": "https://x:t0ken@git.example.com/shop.git"}}}
    assert "t0ken" not in "".join(app_problems([app]))


@pytest.mark.parametrize("repo", ["git@git.example.com:shop.git", "ssh://git@git.example.com/shop", "/srv/git/shop"])
def test_an_address_without_a_token_is_fine(repo: str) -> None:
    assert app_problems([{**SHOP, "source": {"git": {"repo": repo}}}]) == []


def test_an_app_needs_a_password_for_a_store_that_the_inventory_has() -> None:
    apps = [{**SHOP, "redis": {}}, {**SHOP, "name": "two", "redis": {"password": "x" * 24}}, {**SHOP, "name": "three"}]
    assert app_problems(apps) == []
    (problem,) = app_problems(apps, ["redis"])
    assert problem.startswith("webstack_apps[0].redis: no password")
    assert "redis: {password: ...}" in problem
