# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the stand-in for a language model on a test host, and tell it how to behave."""

from __future__ import annotations

import subprocess
from typing import Any

import requests

from .playbooks import CHECKOUT, address, container, podman_exec

PORT = 8900
PROGRAM = "/opt/llm_stub.py"
ENVIRONMENT = "/root/llm_stub.env"


def start_llm(host: str, key: str) -> None:
    """Start it as a unit; the key goes through a file, since tests look for keys in arguments."""
    stub = CHECKOUT / "tests" / "apps" / "llm_stub" / "llm_stub.py"
    subprocess.run(["podman", "cp", str(stub), f"{container(host)}:{PROGRAM}"], check=True, capture_output=True)
    write = f"umask 077; cat > {ENVIRONMENT}"
    subprocess.run(
        ["podman", "exec", "-i", container(host), "sh", "-c", write],
        input=f"LLM_STUB_KEY={key}\n",
        text=True,
        check=True,
    )
    podman_exec(host, "systemctl", "stop", "llm-stub.service", check=False)
    unit = ["systemd-run", "--quiet", "--collect", "--unit=llm-stub", f"--property=EnvironmentFile={ENVIRONMENT}"]
    podman_exec(host, *unit, "python3", PROGRAM, "--port", str(PORT), "--first-token-seconds", "0.2")


def llm_url(host: str) -> str:
    """Return the address at which apps on other test hosts find it."""
    return f"http://{container(host)}:{PORT}/v1"


def tell_llm(host: str, **settings: float) -> dict[str, Any]:
    """Change how it behaves (``fail=503, fail_next=5``); returns its settings and what it has seen."""
    answer = requests.post(f"http://{address(host)}:{PORT}/control", json=settings, timeout=10)
    answer.raise_for_status()
    shown: dict[str, Any] = answer.json()
    return shown
