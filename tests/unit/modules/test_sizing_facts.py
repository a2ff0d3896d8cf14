# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it: arguments on standard input, one JSON document back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.modules import sizing_facts
from unit.module_utils.sizing.machines import ORANGE_PI

COLLECTIONS = Path(sizing_facts.__file__).parents[5]


def _run(arguments: dict[str, Any]) -> dict[str, Any]:
    name = "ansible_collections.rightsize.webstack.plugins.modules.sizing_facts"
    done = subprocess.run(
        [sys.executable, "-m", name],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        check=False,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode == 0) == (not result.get("failed"))
    return result


@pytest.mark.parametrize("check", [False, True])
def test_the_plan_is_a_fact_and_a_table_in_check_mode_too(check: bool) -> None:
    result = _run(
        {
            "hardware": ORANGE_PI.to_dict(),
            "apps": [{"name": "agente", "workload": "llm", "postgres": {}, "checks": [{"path": "/"}]}],
            "services": ["nginx", "postgres"],
            "_ansible_check_mode": check,
        }
    )
    assert result["changed"] is False
    sizing = result["ansible_facts"]["sizing"]
    assert sizing["gunicorn"]["agente"]["workers"] == 4
    assert sum(line["mb"] for line in sizing["memory"]) == 15936
    assert set(sizing) == {"gunicorn", "nginx", "postgres", "kernel", "memory", "reasons", "warnings"}
    assert "gunicorn.agente" in result["table"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"apps": [{"name": "a", "workload": "turbo"}]}, "webstack_apps[0].workload: 'turbo' is not one of"),
        ({"apps": "a"}, "webstack_apps: 'a' is not a list"),
        ({"reserves": {"memory_mb": 99999}}, "webstack_reserves.memory_mb: 99999 MB is more than"),
        ({"hardware": {"cpu": {}}}, "hardware: not what hardware_facts returns"),
        ({"hardware": {"cpu": 4}}, "hardware: not what hardware_facts returns"),
    ],
)
def test_bad_input_fails_with_one_message(arguments: dict[str, Any], message: str) -> None:
    result = _run({"hardware": ORANGE_PI.to_dict(), **arguments})
    assert result["failed"] is True
    assert result["msg"].startswith(message)
