# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input stops before any change, with a message that names the variable, its value and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.footprint import changes, footprint
from support.playbooks import DEMO_APP, Result, run_playbook, variant, write_inventory

HOST = "virgin"
AT_ONCE = 3
SHOP = {"name": "shop", "source": {"path": str(DEMO_APP)}, "entrypoint": "demo.main:app", "domain": "shop.test"}


@dataclass(frozen=True)
class Case:
    """What is wrong: keys of the one app, or the host's variables; and what the message must say."""

    words: tuple[str, ...]
    app: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    file: tuple[str, str] | None = None


CASES = {
    "no apps": Case(("required", "webstack_apps"), variables={"webstack_apps": None}),
    "apps by name": Case(("webstack_apps", "list"), variables={"webstack_apps": {"shop": SHOP}}),
    "app without a source": Case(("source", "webstack_apps[0]", "dict"), app={"source": None}),
    "misspelt key": Case(("webstack_apps[0].domian", "domain,"), app={"domian": "shop.test"}),
    "workers not a number": Case(("workers", "webstack_apps[0]", "many", "int"), app={"workers": "many"}),
    "two sources": Case(("webstack_apps[0] -> source", "exclusive"), app={"source": {"path": "a", "archive": "b"}}),
    "unknown workload": Case(
        ("webstack_apps[0].workload", "'heavy'", "cpu, io, llm, mixed"), app={"workload": "heavy"}
    ),
    "worker class of the other kind": Case(
        ("webstack_apps[0].worker_class", "'gevent'", "fastapi", "asgi, uvicorn_worker"), app={"worker_class": "gevent"}
    ),
    "name with a slash": Case(("webstack_apps[0].name", "'my/app'", "lower-case"), app={"name": "my/app"}),
    "name of a service": Case(("webstack_apps[0].name", "'redis'", "'redis_app'"), app={"name": "redis"}),
    "two apps with one domain": Case(
        ("webstack_apps[1].domain", "'shop.test'", "webstack_apps[0].domain", "give each app its own"),
        variables={"webstack_apps": [SHOP, {**SHOP, "name": "two"}]},
    ),
    "check with a misspelt key": Case(("webstack_apps[0]", "checks", "pth", "path"), app={"checks": [{"pth": "/"}]}),
    "directory that is not there": Case(
        ("webstack_apps[0].source.path", "'/nowhere'", "correct it"), app={"source": {"path": "/nowhere"}}
    ),
    "package without a version": Case(
        ("webstack_apps[0].source.package", "'flask>=3'", "write name==1.2.3"), app={"source": {"package": "flask>=3"}}
    ),
    "entrypoint without its module": Case(
        ("webstack_apps[0].entrypoint", "'demo.mian:app'", "demo/mian.py", "correct"),
        app={"entrypoint": "demo.mian:app"},
    ),
    "entrypoint without its name": Case(
        ("webstack_apps[0].entrypoint", "'demo.main:ap'", "name one of", " app,"), app={"entrypoint": "demo.main:ap"}
    ),
    "entrypoint with a syntax error": Case(
        ("webstack_apps[0].entrypoint", "'demo.main:app'", "not valid Python", "line 2"),
        file=("demo/main.py", "app = None\ndef broken(:\n"),
    ),
    "reserve larger than the host": Case(
        ("webstack_reserves.memory_mb", "4096", "1024"), variables={"webstack_reserves": {"memory_mb": 4096}}
    ),
    "unknown override": Case(
        ("webstack_overrides['nginx.wokers']", "worker_processes"),
        variables={"webstack_overrides": {"nginx.wokers": 1}},
    ),
}


@pytest.fixture(scope="module", autouse=True)
def untouched() -> Iterator[None]:
    """Whatever was refused here left no trace on the host."""
    before = footprint(HOST)
    yield
    assert changes(before, footprint(HOST)) == []


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Run the preflight once for each case, several at a time."""

    def refuse(case: Case) -> Result:
        return run_playbook("preflight", _inventory(case, tmp_path_factory.mktemp("case")))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(CASES, pool.map(refuse, CASES.values())))


def _inventory(case: Case, directory: Path) -> Path:
    app = dict(case.app)
    if case.file:
        name, text = case.file
        app["source"] = {"path": str(variant(directory / "source", files={name: text}))}
    return write_inventory(directory / "inventory", HOST, app, variables=case.variables)


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_by_name_value_and_remedy(name: str, refusals: dict[str, Result]) -> None:
    result = refusals[name].assert_failed(*CASES[name].words)
    assert result.recap[HOST]["changed"] == 0
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize("playbook", ["deploy", "reload"])
def test_each_playbook_looks_before_it_touches(playbook: str, tmp_path: Path) -> None:
    inventory = write_inventory(tmp_path, HOST, {"entrypoint": "demo.mian:app"})
    result = run_playbook(playbook, inventory).assert_failed("webstack_apps[0].entrypoint", "demo/mian.py")
    assert result.recap[HOST]["changed"] == 0


def test_good_input_is_not_refused(tmp_path: Path) -> None:
    """With everything that an entry may say at once."""
    app = {
        "domains": ["demo.example.test", "*.example.test"],
        "health": {"path": "/health", "status": 200, "timeout": 2},
        "checks": [{"path": "/echo", "method": "POST", "json": {"a": 1}, "expect_json": {"received.a": 1}}],
        "migrate": ["true", {"run": "true", "undo": "true"}],
        "rate_limits": [{"path": "/slow", "rate": "10r/s", "burst": 5}],
        "environment": {"DEMO_NUMBER": 1, "DEMO_EMPTY": None},
        "secrets": {"DEMO_SECRET": "x"},
        "tls": {"self_signed": True},
        "workers": "2",
        "redis": {},
    }
    entry = {key: value for key, value in app.items() if key != "domain"}
    result = run_playbook("preflight", write_inventory(tmp_path, HOST, {**entry, "domain": None})).assert_ok()
    assert result.recap[HOST]["changed"] == 0
