# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the user wrote about a host's apps and services, and refuse what cannot be meant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import SizingError
from .types import DATABASES, SERVICES, AppWorkload, Given, HostWorkload, Measured

WORKLOADS = ("cpu", "io", "llm", "mixed")
ASGI_FRAMEWORKS = ("fastapi", "litestar", "quart", "starlette")
WSGI_FRAMEWORKS = ("django", "flask", "wsgi")
WORKER_CLASSES = {
    "asgi": ("asgi", "uvicorn_worker"),
    "wsgi": ("gevent", "gthread", "sync"),
}
REDIS_USES = ("cache", "store")
HANDOVERS = ("auto", "side_by_side", "socket")
#: An app's numbers that may be given in its entry, or as ``gunicorn.<app>.<number>`` in the overrides.
APP_NUMBERS = (
    "workers", "threads", "worker_connections", "max_requests", "max_requests_jitter", "timeout",
    "graceful_timeout", "keepalive", "preload", "backlog", "memory_max_mb", "pool_size", "pool_max_overflow",
    "drain_seconds", "allowed_cpus",
)  # fmt: skip
#: What an override may set besides the numbers: these are read as if they stood in the app's entry.
APP_CHOICES = ("worker_class", "handover", "keep_warm", "memory_per_worker_mb")

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_DEFAULT_WSGI_CLASS = {"io": "gevent", "llm": "gevent", "mixed": "gthread", "cpu": "sync"}


def read_workload(
    apps: Sequence[Any] = (),
    services: Sequence[Any] = (),
    reserves: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    measured: Mapping[str, Any] | None = None,
    remote_clients: Mapping[str, Any] | None = None,
    redis_use: str = "store",
    remote_vector: bool = False,
) -> HostWorkload:
    """Check the user's variables and return them as data.

    ``apps`` is ``webstack_apps`` (unknown keys of an entry are ignored), ``services`` names from
    ``SERVICES``, ``reserves`` has ``memory_mb`` and ``cpus``, ``overrides`` maps dotted paths of the
    plan to values, ``measured`` maps app names to the MiB that one worker of theirs was seen to use, or to the
    fields of ``Measured``, ``remote_clients`` maps postgres and mysql to the connections of apps on other hosts,
    ``redis_use`` says whether Redis is a store or a cache, ``remote_vector`` whether those apps use pgvector.
    Raises ``SizingError`` naming variable, value and remedy.
    """
    chosen = _overrides(overrides)
    entries = [_entry(item, f"webstack_apps[{index}]") for index, item in enumerate(_sequence(apps, "webstack_apps"))]
    names = [_name(entry, where) for entry, where in entries]
    _reject_twins(names, "name", "give each app its own")
    _reject_shared_domains(entries)
    _reject_unknown_apps(chosen, [name for name, _where in names])
    given = {path: value for path, value in chosen.items() if not path.startswith("gunicorn.")}
    read = []
    for (entry, where), (name, _unused) in zip(entries, names):
        fields = _app_fields(entry, where, name, chosen)
        read.append(_read_app(fields, where, name, (measured or {}).get(name)))
        given.update({f"gunicorn.{name}.{key}": fields[key] for key in APP_NUMBERS if key in fields})
    memory_mb, cpus = _reserves(reserves)
    if redis_use not in REDIS_USES:
        raise SizingError(f"redis_use: {redis_use!r} is not one of {', '.join(REDIS_USES)}")
    return HostWorkload(
        tuple(read), _services(services), memory_mb, cpus, _remote(remote_clients), given, redis_use, remote_vector
    )


def _sequence(value: Any, where: str) -> Sequence[Any]:
    if isinstance(value, (list, tuple)):
        return value
    raise SizingError(f"{where}: {value!r} is not a list; write one entry per line, each beginning with '- '")


def _entry(item: Any, where: str) -> tuple[Mapping[str, Any], str]:
    if not isinstance(item, Mapping):
        raise SizingError(f"{where}: {item!r} is not a dictionary; an app needs at least a name, as in '- name: shop'")
    return item, where


def _name(entry: Mapping[str, Any], where: str) -> tuple[str, str]:
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SizingError(
            f"{where}.name: {name!r} cannot name units, users and directories; use small letters, digits and "
            "underscores, beginning with a letter (my_shop)"
        )
    return name, f"{where}.name"


def _reject_twins(found: Sequence[tuple[str, str]], what: str, remedy: str) -> None:
    seen: dict[str, str] = {}
    for value, where in found:
        if value in seen:
            raise SizingError(f"{where}: {value!r} is the {what} in {seen[value]} too; {remedy}")
        seen[value] = where


def _reject_shared_domains(entries: Sequence[tuple[Mapping[str, Any], str]]) -> None:
    found: list[tuple[str, str]] = []
    for entry, where in entries:
        own: dict[str, str] = {}
        if entry.get("domain") is not None:
            own[_domain(entry["domain"], f"{where}.domain")] = f"{where}.domain"
        domains = entry.get("domains")
        for index, domain in enumerate(_sequence([] if domains is None else domains, f"{where}.domains")):
            own.setdefault(_domain(domain, f"{where}.domains[{index}]"), f"{where}.domains[{index}]")
        found.extend(own.items())
    _reject_twins(found, "domain", "nginx can send a domain to one app only, so give each app its own")


def _domain(value: Any, where: str) -> str:
    if isinstance(value, str) and value:
        return value.lower().rstrip(".")
    raise SizingError(f"{where}: {value!r} is not a domain name; give a string such as shop.example.com")


def _overrides(overrides: Any) -> dict[str, Given]:
    if overrides is None:
        return {}
    if not isinstance(overrides, Mapping):
        raise SizingError(
            f"webstack_overrides: {overrides!r} is not a dictionary; write nginx.worker_processes: 2, for example"
        )
    return {str(path): Given(value, f"webstack_overrides['{path}']") for path, value in overrides.items()}


def _reject_unknown_apps(chosen: Mapping[str, Given], names: Sequence[str]) -> None:
    for path, given in chosen.items():
        if not path.startswith("gunicorn.") or not names:
            continue
        _unused, name, number = (path.split(".", 2) + ["", ""])[:3]
        if name not in names:
            raise SizingError(f"{given.origin}: there is no app {name!r}; known are {', '.join(sorted(names))}")
        known = (*APP_NUMBERS, *APP_CHOICES)
        if number not in known:
            raise SizingError(f"{given.origin}: an app has no {number!r}; known are {', '.join(sorted(known))}")


def _app_fields(entry: Mapping[str, Any], where: str, name: str, chosen: Mapping[str, Given]) -> dict[str, Given]:
    fields = {str(key): Given(value, f"{where}.{key}") for key, value in entry.items() if value is not None}
    prefix = f"gunicorn.{name}."
    fields.update({path[len(prefix) :]: given for path, given in chosen.items() if path.startswith(prefix)})
    return fields


def _read_app(fields: Mapping[str, Given], where: str, name: str, measured: Any) -> AppWorkload:
    framework = _choice(fields, "framework", (*ASGI_FRAMEWORKS, *WSGI_FRAMEWORKS), "fastapi", where)
    workload = _choice(fields, "workload", WORKLOADS, "mixed", where)
    interface = _interface(framework, fields.get("entrypoint"))
    worker_class, origin = _worker_class(fields, framework, interface, workload)
    handover = _choice(fields, "handover", HANDOVERS, "auto", where)
    return AppWorkload(
        name=name,
        where=where,
        workload=workload,
        framework=framework,
        interface=interface,
        worker_class=worker_class,
        worker_class_origin=origin,
        declared_mb=_whole(fields, "memory_per_worker_mb"),
        measured=_measured(name, measured),
        requests_per_second=_positive(fields, "requests_per_second"),
        seconds_per_request=_positive(fields, "seconds_per_request"),
        longest_request_seconds=_whole(fields, "longest_request_seconds"),
        handover=handover,
        keep_warm=_keep_warm(fields, handover),
        databases=tuple(service for service in DATABASES if _uses(fields, service)),
        vector=_uses(fields, "postgres") and "vector" in (fields["postgres"].value.get("extensions") or ()),
    )


def _choice(fields: Mapping[str, Given], key: str, allowed: Sequence[str], default: str, where: str) -> str:
    value = fields[key].value if key in fields else default
    if isinstance(value, str) and value in allowed:
        return value
    origin = fields[key].origin if key in fields else f"{where}.{key}"
    raise SizingError(f"{origin}: {value!r} is not one of {', '.join(sorted(allowed))}; leave it out for {default}")


def _interface(framework: str, entrypoint: Given | None) -> str:
    if framework in ASGI_FRAMEWORKS:
        return "asgi"
    target = entrypoint.value if entrypoint is not None else ""
    if framework == "django" and isinstance(target, str) and target.endswith("asgi:application"):
        return "asgi"
    return "wsgi"


def _worker_class(fields: Mapping[str, Given], framework: str, interface: str, workload: str) -> tuple[str, str]:
    if "worker_class" not in fields:
        default = "asgi" if interface == "asgi" else _DEFAULT_WSGI_CLASS[workload]
        why = f"{framework} speaks {interface.upper()}"
        return default, why if interface == "asgi" else f"{why}, and {workload} requests"
    given = fields["worker_class"]
    allowed = WORKER_CLASSES[interface]
    if given.value in allowed:
        return str(given.value), f"given by {given.origin}"
    everything = [name for names in WORKER_CLASSES.values() for name in names]
    if given.value in everything:
        raise SizingError(
            f"{given.origin}: {given.value!r} cannot serve {framework}, which speaks {interface.upper()}; "
            f"use one of {', '.join(allowed)}, leave it out, or correct the app's framework"
        )
    raise SizingError(f"{given.origin}: {given.value!r} is not one of {', '.join(sorted(everything))}")


def _positive(fields: Mapping[str, Given], key: str) -> float | None:
    if key not in fields:
        return None
    value, origin = fields[key].value, fields[key].origin
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
        raise SizingError(f"{origin}: {fields[key].value!r} is not a number above 0; give one, or leave it out")
    return float(value)


def _whole(fields: Mapping[str, Given], key: str) -> int | None:
    value = _positive(fields, key)
    # Upwards: half a MiB or half a second too many hurts nobody.
    return None if value is None else -int(-value // 1)


def _measured(name: str, value: Any) -> Measured | None:
    if value is None:
        return None
    fields = value if isinstance(value, Mapping) else {"rest_mb": value, "peak_mb": value}
    read = {key: Given(number, f"measured memory of {name}") for key, number in fields.items() if number is not None}
    hours = fields.get("hours")
    return Measured(
        planned_mb=_whole(read, "planned_mb"),
        rest_mb=_whole(read, "rest_mb"),
        peak_mb=_whole(read, "peak_mb"),
        hours=float(hours) if isinstance(hours, (int, float)) else None,
    )


def _keep_warm(fields: Mapping[str, Given], handover: str) -> bool | None:
    if "keep_warm" not in fields or fields["keep_warm"].value == "auto":
        return None
    given = fields["keep_warm"]
    if not isinstance(given.value, bool):
        raise SizingError(f"{given.origin}: {given.value!r} is not one of auto, true, false")
    if given.value and handover == "socket":
        raise SizingError(
            f"{given.origin}: a release cannot stay warm when handover is socket, where only one runs at a time; "
            "remove one of the two"
        )
    return given.value


def _uses(fields: Mapping[str, Given], service: str) -> bool:
    if service not in fields:
        return False
    given = fields[service]
    if isinstance(given.value, Mapping):
        return True
    raise SizingError(f"{given.origin}: {given.value!r} is not a dictionary; write {service}: {{}} for the defaults")


def _services(services: Any) -> tuple[str, ...]:
    for name in _sequence(services, "services"):
        if name not in SERVICES:
            raise SizingError(f"services: {name!r} is not one of {', '.join(SERVICES)}")
    return tuple(sorted(set(services)))


def _remote(clients: Mapping[str, Any] | None) -> dict[str, int]:
    counts = {}
    for service, count in (clients or {}).items():
        if service not in DATABASES or isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise SizingError(
                f"remote_clients.{service}: {count!r} does not count connections to one of {', '.join(DATABASES)}"
            )
        counts[service] = count
    return counts


def _reserves(reserves: Any) -> tuple[int, float]:
    if reserves is None:
        return 0, 0.0
    if not isinstance(reserves, Mapping):
        raise SizingError(f"webstack_reserves: {reserves!r} is not a dictionary; write {{memory_mb: 512, cpus: 1}}")
    unknown = sorted(str(key) for key in reserves if key not in ("memory_mb", "cpus"))
    if unknown:
        raise SizingError(f"webstack_reserves.{unknown[0]}: not known; memory_mb and cpus are")
    fields = {
        str(key): Given(value, f"webstack_reserves.{key}")
        for key, value in reserves.items()
        if value is not None and value != 0
    }
    return _whole(fields, "memory_mb") or 0, _positive(fields, "cpus") or 0.0
