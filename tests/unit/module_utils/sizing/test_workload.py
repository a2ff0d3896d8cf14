# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused, and with which words."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.errors import SizingError
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.workload import read_workload
from unit.module_utils.sizing.machines import machine, planned

A = {"name": "a"}


@pytest.mark.parametrize(
    ("apps", "message"),
    [
        (
            [A, {"name": "b", "workload": "turbo"}],
            "webstack_apps[1].workload: 'turbo' is not one of cpu, io, llm",
        ),
        ([{"name": "shop/x"}], "webstack_apps[0].name: 'shop/x' cannot name units"),
        ([{"name": "my-shop"}], "webstack_apps[0].name: 'my-shop' cannot name units"),
        ([{"name": "Shop"}], "webstack_apps[0].name: 'Shop'"),
        ([{"name": "shop\n"}], "webstack_apps[0].name: 'shop\\n'"),
        ([{"name": 7}], "webstack_apps[0].name: 7"),
        ([{}], "webstack_apps[0].name: None"),
        ([A, A], "webstack_apps[1].name: 'a' is the name in webstack_apps[0].name too"),
        (
            [{**A, "domain": "x.org"}, {"name": "b", "domains": ["y.org", "X.org."]}],
            "webstack_apps[1].domains[1]: 'x.org' is the domain in webstack_apps[0].domain too",
        ),
        ([{**A, "domain": 5}], "webstack_apps[0].domain: 5 is not a domain name"),
        ([{**A, "domains": "x.org"}], "webstack_apps[0].domains: 'x.org' is not a list"),
        ("a", "webstack_apps: 'a' is not a list"),
        (["a"], "webstack_apps[0]: 'a' is not a dictionary"),
        ([{**A, "framework": "rails"}], "webstack_apps[0].framework: 'rails' is not one of django, fastapi"),
        ([{**A, "worker_class": "tornado"}], "webstack_apps[0].worker_class: 'tornado' is not one of asgi"),
        ([{**A, "worker_class": ["asgi"]}], "webstack_apps[0].worker_class: ['asgi'] is not one of"),
        ([{**A, "worker_class": "sync"}], "webstack_apps[0].worker_class: 'sync' cannot serve fastapi"),
        (
            [{**A, "framework": "flask", "worker_class": "asgi"}],
            "webstack_apps[0].worker_class: 'asgi' cannot serve flask, which speaks WSGI; use one of gevent",
        ),
        (
            [{**A, "memory_per_worker_mb": "much"}],
            "webstack_apps[0].memory_per_worker_mb: 'much' is not a number",
        ),
        ([{**A, "memory_per_worker_mb": True}], "webstack_apps[0].memory_per_worker_mb: True"),
        ([{**A, "longest_request_seconds": -1}], "webstack_apps[0].longest_request_seconds: -1"),
        ([{**A, "requests_per_second": 0}], "webstack_apps[0].requests_per_second: 0"),
        ([{**A, "workers": 0}], "webstack_apps[0].workers: 0 is too small; the least is 1"),
        ([{**A, "workers": 2.5}], "webstack_apps[0].workers: 2.5 is not a whole number"),
        ([{**A, "workers": "many"}], "webstack_apps[0].workers: 'many' is not a whole number"),
        ([{**A, "preload": "maybe"}], "webstack_apps[0].preload: 'maybe' is neither true nor false"),
        ([{**A, "drain_seconds": 1}], "webstack_apps[0].drain_seconds: 1 is too small; the least is 3"),
        (
            [{**A, "timeout": 10, "graceful_timeout": 30}],
            "webstack_apps[0].timeout: 10 s must be above graceful",
        ),
        ([{**A, "max_requests_jitter": 0}], "webstack_apps[0].max_requests_jitter: 0 replaces all workers"),
        ([{**A, "memory_max_mb": 90}], "webstack_apps[0].memory_max_mb: 90 MB must hold one worker (95 MB"),
        ([{**A, "memory_max_mb": 9000}], "webstack_apps[0].memory_max_mb: 9000 MB must hold one worker"),
        ([{**A, "handover": "hup"}], "webstack_apps[0].handover: 'hup' is not one of auto, side_by_side, socket"),
        ([{**A, "keep_warm": "yes"}], "webstack_apps[0].keep_warm: 'yes' is not one of auto, true, false"),
        ([{**A, "keep_warm": True, "handover": "socket"}], "webstack_apps[0].keep_warm: a release cannot stay warm"),
        ([{**A, "postgres": "agente"}], "webstack_apps[0].postgres: 'agente' is not a dictionary"),
    ],
)
def test_a_bad_app_is_refused_by_its_variable(apps: Any, message: str) -> None:
    with pytest.raises(SizingError) as caught:
        planned(machine(2048, 2.0), *apps) if isinstance(apps, list) else read_workload(apps)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reserves": {"memory_mb": 4096}}, "webstack_reserves.memory_mb: 4096 MB is more than this host's 2048 MB"),
        ({"reserves": {"memory_mb": 2000}}, "this host is too small: of its 2048 MB"),
        ({"reserves": {"cpus": 2}}, "webstack_reserves.cpus: 2 leaves nothing of this host's 2.00 cores' worth"),
        ({"reserves": {"memory_mb": "1g"}}, "webstack_reserves.memory_mb: '1g' is not a number above 0"),
        ({"reserves": {"memory": 5}}, "webstack_reserves.memory: not known; memory_mb and cpus are"),
        ({"reserves": 512}, "webstack_reserves: 512 is not a dictionary"),
        ({"overrides": "x"}, "webstack_overrides: 'x' is not a dictionary"),
        (
            {"overrides": {"nginx.worker_proceses": 2}},
            "webstack_overrides['nginx.worker_proceses']: nothing to override; did you mean nginx.worker_processes?",
        ),
        ({"overrides": {"nginx.x": 2}}, "webstack_overrides['nginx.x']: nothing to override; known are nginx.upstream"),
        ({"overrides": {"memory.nginx": 2}}, "webstack_overrides['memory.nginx']: nothing to override"),
        ({"overrides": {"gunicorn.b.workers": 2}}, "webstack_overrides['gunicorn.b.workers']: there is no app 'b'"),
        ({"overrides": {"gunicorn.a.wrokers": 2}}, "webstack_overrides['gunicorn.a.wrokers']: an app has no 'wrokers'"),
        ({"overrides": {"gunicorn.a.workers": "x"}}, "webstack_overrides['gunicorn.a.workers']: 'x' is not a whole"),
        ({"overrides": {"nginx.worker_processes": 0}}, "webstack_overrides['nginx.worker_processes']: 0 is too small"),
        ({"services": ("apache",)}, "services: 'apache' is not one of metrics, mysql, nginx"),
        ({"measured": {"a": "big"}}, "measured memory of a: 'big' is not a number above 0"),
    ],
)
def test_a_bad_option_is_refused_by_its_variable(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SizingError) as caught:
        planned(machine(2048, 2.0), A, **options)
    assert str(caught.value).startswith(message)


def test_unknown_keys_of_an_app_and_numbers_of_absent_services_are_ignored() -> None:
    overrides = {"redis.maxmemory_mb": 100, "webstack.anything": 1}
    app: dict[str, Any] = {**A, "checks": [], "source": {"path": "."}, "redis": {}, "domains": None}
    assert planned(machine(2048, 2.0), app, overrides=overrides).gunicorn["a"].workers == 4


def test_numbers_written_as_text_are_numbers() -> None:
    # -e workers=3 on the command line arrives as text.
    assert planned(machine(2048, 2.0), {**A, "workers": "3"}).gunicorn["a"].workers == 3


@pytest.mark.parametrize(
    ("app", "interface", "worker_class"),
    [
        ({}, "asgi", "asgi"),
        ({"framework": "litestar", "workload": "cpu"}, "asgi", "asgi"),
        ({"worker_class": "uvicorn_worker"}, "asgi", "uvicorn_worker"),
        ({"framework": "django"}, "wsgi", "gthread"),
        ({"framework": "django", "entrypoint": "shop.wsgi:application"}, "wsgi", "gthread"),
        ({"framework": "django", "entrypoint": "shop.asgi:application"}, "asgi", "asgi"),
        ({"framework": "flask", "entrypoint": "shop.asgi:application"}, "wsgi", "gthread"),
        ({"framework": "flask", "workload": "io"}, "wsgi", "gevent"),
        ({"framework": "flask", "workload": "llm"}, "wsgi", "gevent"),
        ({"framework": "wsgi", "workload": "cpu"}, "wsgi", "sync"),
        ({"framework": "wsgi", "workload": "cpu", "worker_class": "gthread"}, "wsgi", "gthread"),
    ],
)
def test_interface_and_worker_class_follow_the_framework(
    app: dict[str, Any], interface: str, worker_class: str
) -> None:
    read = read_workload([{**A, **app}]).apps[0]
    assert (read.interface, read.worker_class) == (interface, worker_class)


def test_a_machine_of_unknown_memory_is_refused() -> None:
    hardware = machine(2048, 2.0)
    unknown = dataclasses.replace(hardware, memory=dataclasses.replace(hardware.memory, usable_mb=None))
    with pytest.raises(SizingError, match=r"hardware\.memory\.usable_mb: unknown"):
        planned(unknown, A)
