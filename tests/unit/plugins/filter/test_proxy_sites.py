# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.filter.proxy_sites import proxy_sites

PLAN = {
    "shop": {"timeout": 37, "drain_seconds": 3, "worker_class": "asgi", "handover": "side_by_side", "max_requests": 0}
}
APP = {"name": "shop", "domain": "shop.example.com", "tls": {"self_signed": True}, "workload": "io"}


def site(app: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    plan = {"shop": {**PLAN["shop"], **options.pop("plan", {})}}
    (found,) = proxy_sites([{**APP, **(app or {})}], plan, **options)
    return found


def test_an_app_host_asks_the_live_socket() -> None:
    assert site()["servers"] == ["unix:/run/shop/live.sock"]
    assert site()["tls"] == {"self_signed": True}


def test_a_proxy_asks_nginx_on_every_app_host() -> None:
    hosts = [
        {"inventory_hostname": "one"},
        {"inventory_hostname": "two", "ansible_host": "10.0.0.2"},
        {"inventory_hostname": "three", "ansible_host": "203.0.113.3", "webstack_address": "10.0.0.3"},
    ]
    assert site(app_hosts=hosts)["servers"] == ["one:80", "10.0.0.2:80", "10.0.0.3:80"]


def test_what_an_app_counts_is_collected_where_it_runs() -> None:
    app = {"metrics": {"path": "/metrics", "token": True}}
    assert site(app)["metrics"] == "/metrics"
    assert "metrics" not in site(app, app_hosts=[{"inventory_hostname": "one"}])
    assert "metrics" not in site({"metrics": {"leave_out": ["/chat"]}})


def test_a_host_that_is_gone_is_not_waited_for() -> None:
    assert site(app_hosts=[{"inventory_hostname": "one"}])["connect_timeout"] <= 3
    assert "connect_timeout" not in site(), "a socket on this host has the role's default"


def test_an_app_host_behind_a_proxy_ends_no_tls_and_believes_the_proxy() -> None:
    found = site(proxies=[{"inventory_hostname": "edge", "ansible_host": "10.0.0.9"}])
    assert "tls" not in found
    assert found["trusted_proxies"] == ["10.0.0.9"]
    assert "trusted_proxies" not in site()


def test_nginx_waits_longer_than_the_app() -> None:
    assert site()["read_timeout"] > PLAN["shop"]["timeout"]


@pytest.mark.parametrize(("worker_class", "buffering"), [("asgi", False), ("gevent", False), ("sync", True)])
def test_streams_pass_at_once_where_the_worker_can_wait(worker_class: str, buffering: bool) -> None:
    assert site(plan={"worker_class": worker_class})["buffering"] is buffering
    assert site({"buffering": True}, plan={"worker_class": worker_class})["buffering"] is True


@pytest.mark.parametrize(("handover", "keepalive"), [("side_by_side", "retried"), ("socket", "never")])
def test_no_idle_connection_waits_for_a_release_that_is_stopped_at_once(handover: str, keepalive: str) -> None:
    assert site(plan={"handover": handover})["keepalive"] == keepalive


def test_what_goes_to_a_worker_that_may_be_replaced_can_be_asked_again() -> None:
    # No matter whether it is: a release that changes max_requests must not make nginx reload.
    assert [site(plan={"max_requests": number})["keepalive"] for number in (0, 1000)] == ["retried", "retried"]
    hosts = [{"inventory_hostname": "one"}]
    assert site(plan={"max_requests": 1000}, app_hosts=hosts)["keepalive"] == "always", "that is another nginx"


def test_names() -> None:
    assert site()["domains"] == ["shop.example.com"]
    assert site({"domains": ["a", "b"]})["domains"] == ["a", "b"]
    assert site({"domain": None})["domains"] == ["_"]
