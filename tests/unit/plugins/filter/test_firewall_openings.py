# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each host of an inventory lets in."""

from __future__ import annotations

from typing import Any

from ansible_collections.rightsize.webstack.plugins.filter.firewall_openings import firewall_openings

APPS: list[dict[str, Any]] = [{"name": "a", "tls": {"self_signed": True}}, {"name": "b", "listen": 8080}]
HOSTVARS: dict[str, dict[str, Any]] = {
    "one": {"inventory_hostname": "one", "ansible_host": "192.0.2.1"},
    "two": {"inventory_hostname": "two", "ansible_host": "two.example.com", "webstack_address": "10.0.0.2"},
    "edge": {"inventory_hostname": "edge"},
    "store": {"inventory_hostname": "store", "redis_port": 6380, "metrics_scrapers": ["10.0.0.50"]},
    "watched": {"inventory_hostname": "watched", "webstack_metrics": True, "metrics_scrapers": ["10.0.0.50"]},
}


def openings(host: str, **groups: list[str]) -> list[tuple[str, list[str]]]:
    return [(one["port"], one.get("from", [])) for one in firewall_openings(APPS, host, groups, HOSTVARS)]


def test_a_host_with_everything_on_it_opens_its_sites_alone() -> None:
    groups = {name: ["one"] for name in ("app", "proxy", "redis", "postgres")}
    assert openings("one", **groups) == [("80", []), ("443", []), ("8080", [])]


def test_without_a_proxy_the_app_hosts_are_open() -> None:
    assert openings("two", app=["one", "two"]) == [("80", []), ("443", []), ("8080", [])]


def test_behind_a_proxy_apps_are_for_the_proxy_and_stores_for_the_apps() -> None:
    groups = {"app": ["one", "two"], "proxy": ["edge"], "redis": ["store"], "mysql": ["two"]}
    assert openings("edge", **groups) == [("80", []), ("443", []), ("8080", [])]
    assert openings("one", **groups) == [("80", ["edge"]), ("8080", ["edge"])]
    assert openings("store", **groups) == [("6380", ["192.0.2.1", "10.0.0.2"])]
    assert openings("two", **groups) == [("80", ["edge"]), ("8080", ["edge"]), ("3306", ["192.0.2.1"])]


def test_metrics_are_for_those_who_collect_them() -> None:
    assert openings("watched", redis=["watched"]) == [("9100-9187", ["10.0.0.50"])]
    assert openings("store", redis=["store"]) == []
