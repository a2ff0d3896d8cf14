# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn webstack_apps into the sites of nginx_proxy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

DOCUMENTATION = r"""
---
name: proxy_sites
short_description: Turn webstack_apps into the sites of nginx_proxy
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - On an app host every app becomes a site whose upstream is the app's live socket.
  - On a proxy that runs no apps itself (O(app_hosts) given) the upstream is nginx on every app host.
options:
  _input:
    description: The list webstack_apps.
    type: list
    elements: dict
    required: true
  plan:
    description: The plan's C(gunicorn) part for the hosts that run the apps.
    type: dict
    required: true
  app_hosts:
    description:
      - Variables of the app hosts, on a proxy that runs no apps itself. A host is reached at its C(webstack_address),
        its C(ansible_host) or its C(inventory_hostname), the first that is there.
    type: list
    elements: dict
    default: []
  proxies:
    description:
      - Variables of the hosts before an app host that is no proxy itself. They end TLS, so it serves plain HTTP to
        them, and believes what they say about the client. A host is reached as one of O(app_hosts) is.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
nginx_proxy_sites: "{{ webstack_apps | rightsize.webstack.proxy_sites(sizing.gunicorn) }}"
"""

RETURN = r"""
_value:
  description: Sites for the variable nginx_proxy_sites.
  type: list
  elements: dict
"""

# Their requests must not wait for a slow client, so nginx takes the answer off their hands.
BUFFERED_WORKERS = ("sync", "gthread")
REMOTE_CONNECT_SECONDS = 2
PASSED_ON = ("body_size_mb", "rate_limits", "static", "tls", "listen")


def proxy_sites(
    apps: Sequence[Mapping[str, Any]],
    plan: Mapping[str, Mapping[str, Any]],
    app_hosts: Sequence[Mapping[str, Any]] = (),
    proxies: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Return one site per app."""
    servers, trusted = ([_address(host) for host in hosts] for hosts in (app_hosts, proxies))
    return [_site(app, plan[app["name"]], servers, trusted) for app in apps]


def domains(app: Mapping[str, Any]) -> list[str]:
    """Return an app's domains; ``_`` (any) when it declares none."""
    return list(app.get("domains") or ([app["domain"]] if app.get("domain") else ["_"]))


def _address(host: Mapping[str, Any]) -> str:
    names = ("webstack_address", "ansible_host", "inventory_hostname")
    return next(str(host[name]) for name in names if host.get(name))


def _site(
    app: Mapping[str, Any], plan: Mapping[str, Any], addresses: Sequence[str], trusted: Sequence[str]
) -> dict[str, Any]:
    site = {key: app[key] for key in PASSED_ON if app.get(key)}
    if trusted:
        site.pop("tls", None)
        site["trusted_proxies"] = list(trusted)
    # What workers count is collected on the host where they run.
    metrics = {} if addresses or not (app.get("metrics") or {}).get("path") else {"metrics": app["metrics"]["path"]}
    return {
        **site,
        **metrics,
        "name": app["name"],
        "domains": domains(app),
        "servers": [f"{address}:80" for address in addresses] or [f"unix:/run/{app['name']}/live.sock"],
        "read_timeout": plan["timeout"] + 10,
        # A host that is gone answers nothing at all; its turn passes to the next one before users take it for a fault.
        **({"connect_timeout": REMOTE_CONNECT_SECONDS} if addresses else {}),
        "drain_seconds": plan["drain_seconds"],
        "keepalive": "always" if addresses else _keepalive(plan),
        "buffering": app.get("buffering", plan["worker_class"] in BUFFERED_WORKERS),
    }


def _keepalive(plan: Mapping[str, Any]) -> str:
    """Return which requests may go over a connection that lay idle: its worker may just be hanging up on it.

    Releases that take turns behind one socket are told to stop at once. A worker that max_requests replaces hangs up on
    connections that it has promised to keep; then nginx asks again by itself, but never with a POST. It is the same
    without max_requests, so that a release which changes it needs no reload of nginx.
    """
    return "never" if plan["handover"] == "socket" else "retried"


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"proxy_sites": proxy_sites}
