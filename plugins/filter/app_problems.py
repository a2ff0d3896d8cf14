# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what is wrong with webstack_apps beyond names and types, before anything is touched."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable

from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.apps import problems as postgres_problems
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.parse import parse_checks
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.types import ProbeError
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.acl import read_user
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.errors import RedisError
from ansible_collections.rightsize.webstack.plugins.module_utils.release.entrypoint import parse_entrypoint
from ansible_collections.rightsize.webstack.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.rightsize.webstack.plugins.module_utils.release.layout import check_app_name
from ansible_collections.rightsize.webstack.plugins.module_utils.release.spec import ENVIRONMENT_NAME

DOCUMENTATION = r"""
---
name: app_problems
short_description: Say what is wrong with webstack_apps beyond names and types
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - Every sentence names the variable, its value and the way out. Values of secrets are never repeated.
options:
  _input:
    description: The list webstack_apps.
    type: list
    elements: dict
    required: true
  stores:
    description: Stores that the inventory has hosts for. An app that uses one of them needs a password there.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Stop at what cannot be meant
  ansible.builtin.assert:
    that: webstack_apps | rightsize.webstack.app_problems | length == 0
    fail_msg: "{{ webstack_apps | rightsize.webstack.app_problems }}"
"""

RETURN = r"""
_value:
  description: One sentence for each mistake; empty when there is none.
  type: list
  elements: str
"""

HEALTH_KEYS = ("host", "path", "status", "timeout")
DOMAIN = re.compile(r"_|(\*\.)?([A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]+\.?")
RATE = re.compile(r"[1-9][0-9]*r/[sm]")
ALERT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Of Prometheus: larger units first, each once.
DURATION = re.compile(r"(?=[0-9])" + "".join(rf"([0-9]+{unit})?" for unit in ("y", "w", "d", "h", "m", "s", "ms")))
CREDENTIALS = re.compile(r"(https?://[^/@]+|[a-z+]+://[^/@:]*:[^/@]+)@(?P<host>[^/:]+)")
URL_PATH = re.compile(r"/[^\s;{}\"']*")


def app_problems(apps: Sequence[Mapping[str, Any]], stores: Sequence[str] = ()) -> list[str]:
    """Return one sentence for each mistake in the entries, in their order."""
    places = [(app, f"webstack_apps[{index}]") for index, app in enumerate(apps)]
    found = [
        problem
        for app, where in places
        for problem in itertools.chain(_problems(app, where), _store_problems(app, list(stores), where))
    ]
    return [*found, *postgres_problems(apps)]


def _problems(app: Mapping[str, Any], where: str) -> Iterator[str]:
    yield from _refused(check_app_name, app["name"], f"{where}.name: ")
    yield from _refused(parse_entrypoint, app["entrypoint"], f"{where}.")
    yield from _repository_problems((app.get("source") or {}).get("git"), f"{where}.source.git.repo")
    yield from _domain_problems(app, where)
    yield from _variable_problems(app, where)
    yield from _health_problems(app.get("health"), f"{where}.health")
    yield from _migration_problems(app.get("migrate") or [], f"{where}.migrate")
    yield from _rate_problems(app.get("rate_limits") or [], f"{where}.rate_limits")
    yield from _metrics_problems(app.get("metrics") or {}, f"{where}.metrics")
    try:
        parse_checks(app.get("checks") or [], f"{where}.checks")
    except ProbeError as error:
        yield str(error)


def _refused(check: Callable[[str], Any], value: str, where: str) -> Iterator[str]:
    try:
        check(value)
    except ReleaseError as error:
        yield f"{where}{error}"


def _store_problems(app: Mapping[str, Any], stores: Sequence[str], where: str) -> Iterator[str]:
    for store in stores:
        if app.get(store) is not None and not app[store].get("password"):
            yield (
                f"{where}.{store}: no password, and this inventory's {store} host lets nobody in without one; give it "
                f"as {store}: {{password: ...}}, from a vault (openssl rand -hex 24 makes one), or remove {store}"
            )
    if (app.get("redis") or {}).get("password"):
        try:
            read_user({"name": app["name"], **app["redis"]}, f"{where}.redis")
        except RedisError as error:
            yield str(error)


def _repository_problems(git: Mapping[str, Any] | None, where: str) -> Iterator[str]:
    """Refuse a token in the address: git, Ansible and the history would all write it down."""
    found = CREDENTIALS.match(str((git or {}).get("repo", "")))
    if found:
        yield (
            f"{where}: the address of {found['host']} has credentials in it, which logs would show; take them out and "
            "use an SSH key (git@HOST:PATH) or git's credential helper on the machine that runs Ansible"
        )


def _domain_problems(app: Mapping[str, Any], where: str) -> Iterator[str]:
    named = [(f"{where}.domain", app["domain"])] if app.get("domain") else []
    named += [(f"{where}.domains[{index}]", name) for index, name in enumerate(app.get("domains") or [])]
    for place, name in named:
        if not DOMAIN.fullmatch(str(name)):
            yield f"{place}: {name!r} is not a domain name; write one like shop.example.com, with no http:// or port"


def _variable_problems(app: Mapping[str, Any], where: str) -> Iterator[str]:
    for kind in ("environment", "secrets", "build_environment"):
        for name, value in (app.get(kind) or {}).items():
            if not ENVIRONMENT_NAME.fullmatch(str(name)):
                yield f"{where}.{kind}: {name!r} is not a variable's name; use letters, digits and '_'"
            elif isinstance(value, (Mapping, list, tuple)):
                yield f"{where}.{kind}.{name}: not text but a {type(value).__name__}; use the filter to_json"
            elif "\0" in str(value):
                yield f"{where}.{kind}.{name}: has a NUL character, which no environment can hold; encode it"


def _health_problems(health: Any, where: str) -> Iterator[str]:
    if health is None:
        return
    path = health.get("path", "/health") if isinstance(health, Mapping) else health
    if not isinstance(path, str) or not URL_PATH.fullmatch(path):
        yield f"{where}: {path!r} is not a path; write one like /health, or a dictionary with path and status"
    unknown = [key for key in health if key not in HEALTH_KEYS] if isinstance(health, Mapping) else []
    if unknown:
        yield f"{where}.{unknown[0]}: not known; {', '.join(HEALTH_KEYS)} are"


def _migration_problems(migrations: Sequence[Any], where: str) -> Iterator[str]:
    for index, entry in enumerate(migrations):
        command = entry.get("run") if isinstance(entry, Mapping) else entry
        unknown = [key for key in entry if key not in ("run", "undo")] if isinstance(entry, Mapping) else []
        if unknown or not isinstance(command, str) or not command.strip():
            yield f"{where}[{index}]: {entry!r} is no command; write one, or a dictionary with run and undo"


def _rate_problems(limits: Sequence[Mapping[str, Any]], where: str) -> Iterator[str]:
    for index, limit in enumerate(limits):
        if not RATE.fullmatch(limit["rate"]):
            yield f"{where}[{index}].rate: {limit['rate']!r} is not a rate; write 10r/s or 100r/m"
        if not URL_PATH.fullmatch(limit.get("path", "/")):
            yield f"{where}[{index}].path: {limit['path']!r} is not a path; write one such as /login"


def _metrics_problems(metrics: Mapping[str, Any], where: str) -> Iterator[str]:
    named = [("path", metrics["path"])] if metrics.get("path") else []
    named += [(f"leave_out[{index}]", path) for index, path in enumerate(metrics.get("leave_out") or [])]
    for key, path in named:
        if not URL_PATH.fullmatch(str(path)):
            yield f"{where}.{key}: {path!r} is not a path; write one such as /metrics"
    for index, alert in enumerate(metrics.get("alerts") or []):
        if not ALERT_NAME.fullmatch(str(alert["name"])):
            yield f"{where}.alerts[{index}].name: {alert['name']!r} names no alert; write one such as CircuitOpen"
        if not DURATION.fullmatch(str(alert.get("for", "0s"))):
            yield f"{where}.alerts[{index}].for: {alert['for']!r} is not a time; write one such as 5m"


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"app_problems": app_problems}
