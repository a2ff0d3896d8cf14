# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what a host of an inventory serves, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.rightsize.webstack.plugins.filter.host_address import host_address

DOCUMENTATION = r"""
---
name: firewall_openings
short_description: Tell what a host of an inventory serves, and to whom
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - Sites are open to everybody on the proxies, or on the app hosts where there is no proxy. App hosts behind proxies
    are open to these, the hosts of the stores to the app hosts, exporters of metrics to C(metrics_scrapers).
options:
  _input:
    description: The list webstack_apps.
    type: list
    elements: dict
    required: true
  host:
    description: The host's name in the inventory.
    type: str
    required: true
  groups:
    description: The inventory's groups.
    type: dict
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
"""

EXAMPLES = r"""
firewall_openings: "{{ webstack_apps | rightsize.webstack.firewall_openings(inventory_hostname, groups, hostvars) }}"
"""

RETURN = r"""
_value:
  description: For the variable firewall_openings of the role P(rightsize.webstack.firewall#role).
  type: list
  elements: dict
"""

#: Group of a store, the variable that may name its port, and the port where it does not.
STORES = (
    ("redis", "redis_port", 6379),
    ("postgres", "postgres_pgvector_port", 5432),
    ("pgbouncer", "postgres_pgvector_pgbouncer_port", 6432),
    ("mysql", "", 3306),
)
#: Between these are the ports of all of Debian's Prometheus exporters that the collection uses.
EXPORTERS = "9100-9187"


def firewall_openings(
    apps: Sequence[Mapping[str, Any]],
    host: str,
    groups: Mapping[str, Sequence[str]],
    hostvars: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return what ``host`` serves."""
    app_hosts, proxies = groups.get("app", []), groups.get("proxy", [])
    found: list[dict[str, Any]] = []
    if host in (proxies or app_hosts):
        found += [{"port": str(port), "purpose": "sites"} for port in _ports(apps, tls=True)]
    elif host in app_hosts:
        sources = [host_address(hostvars[proxy]) for proxy in proxies]
        found += [{"port": str(port), "from": sources, "purpose": "proxies"} for port in _ports(apps, tls=False)]
    clients = [host_address(hostvars[other]) for other in app_hosts if other != host]
    for group, variable, usual in STORES:
        if host in groups.get(group, []) and clients:
            port = hostvars[host].get(variable) or usual
            found.append({"port": str(port), "from": clients, "purpose": group})
    scrapers = hostvars[host].get("metrics_scrapers")
    if scrapers and hostvars[host].get("webstack_metrics"):
        found.append({"port": EXPORTERS, "from": list(scrapers), "purpose": "metrics"})
    return found


def _ports(apps: Sequence[Mapping[str, Any]], tls: bool) -> list[int]:
    """Return the ports of all sites; one with TLS has 80 as well, which sends users on."""
    ports: set[int] = set()
    for app in apps:
        ports |= {80, 443} if tls and app.get("tls") else {int(app.get("listen") or 80)}
    return sorted(ports)


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"firewall_openings": firewall_openings}
