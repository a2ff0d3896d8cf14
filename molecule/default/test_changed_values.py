# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A value that is changed after the first deploy is what the live processes run with, also after a run that died."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from support.playbooks import DOMAIN, address, podman_exec, run_playbook, serving, write_inventory

HOST = "default"
APP: dict[str, Any] = {
    "workers": 4,
    "memory_max_mb": 700,
    "body_size_mb": 1,
    "environment": {"DEMO_X": "a 'b' \"c\" $d %e \\f"},
    "rate_limits": [{"path": "/env/", "rate": "1r/m", "burst": 1}],
}
VARIABLES = {"webstack_overrides": {"nginx.worker_processes": 3}}
NGINX, SLICE = "/etc/nginx/nginx.conf", "/etc/systemd/system/demo.slice"


def ask(path: str, **options: Any) -> requests.Response:
    url = f"http://{address(HOST)}{path}"
    return requests.request(options.pop("method", "GET"), url, headers={"Host": DOMAIN}, timeout=10, **options)


def workers() -> int:
    """Count the processes below the main process of what serves."""
    served = serving(HOST)
    main = served.processes[f"demo@{served.live}.service"]
    return len(podman_exec(HOST, "pgrep", "--parent", str(main)).stdout.split())


def nginx_workers() -> int:
    main = podman_exec(HOST, "cat", "/run/nginx.pid").stdout.strip()
    lines = podman_exec(HOST, "ps", "-o", "args=", "--ppid", main).stdout.splitlines()
    return sum(line.startswith("nginx: worker process") and "shutting down" not in line for line in lines)


def memory_limit_mb() -> int:
    """Return what the kernel holds the app's slice to."""
    files = "cat /sys/fs/cgroup/memory/demo.slice/memory.limit_in_bytes /sys/fs/cgroup/demo.slice/memory.max 2>&-"
    return int(podman_exec(HOST, "sh", "-c", files, check=False).stdout) // (1 << 20)


def post(megabytes: int) -> int:
    return ask("/echo", method="POST", data=b'"' + b"x" * (megabytes << 20) + b'"').status_code


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inventory")


@pytest.fixture(scope="module", autouse=True)
def changed(inventory: Path) -> Iterator[None]:
    """Deploy with the role's own values, see that they are others, and deploy the changed ones."""
    run_playbook("deploy", write_inventory(inventory, HOST)).assert_ok()
    assert workers() != 4 and nginx_workers() != 3 and memory_limit_mb() != 700 and post(2) == 200
    assert ask("/env/DEMO_X").status_code == 404
    podman_exec(HOST, "cp", NGINX, "/root/nginx.before")
    podman_exec(HOST, "cp", SLICE, "/root/slice.before")
    run_playbook("deploy", write_inventory(inventory, HOST, APP, variables=VARIABLES)).assert_ok()
    yield
    podman_exec(HOST, "rm", "/root/nginx.before", "/root/slice.before")


def test_workers_are_in_the_process_table() -> None:
    assert workers() == 4


def test_the_environment_and_then_the_rate_limit() -> None:
    assert ask("/env/DEMO_X").json() == {"DEMO_X": APP["environment"]["DEMO_X"]}
    assert {ask("/env/DEMO_X").status_code for _unused in range(4)} == {200, 429}


def test_the_running_nginx_refuses_a_larger_body() -> None:
    assert post(2) == 413


def test_the_running_nginx_has_the_worker_processes() -> None:
    assert nginx_workers() == 3


def test_the_kernel_holds_the_slice_to_the_new_limit() -> None:
    assert memory_limit_mb() == 700


def test_a_limit_alone_reaches_the_kernel_without_a_new_release(inventory: Path) -> None:
    served = serving(HOST)
    for limit in (690, 700):  # near enough to change no number of the release itself
        changed = write_inventory(inventory, HOST, {**APP, "memory_max_mb": limit}, variables=VARIABLES)
        run_playbook("deploy", changed).assert_ok()
        assert memory_limit_mb() == limit
    assert serving(HOST) == served


def test_nginx_that_was_written_but_never_reloaded_is_healed(inventory: Path) -> None:
    """What a run leaves that was killed between the two."""
    podman_exec(HOST, "sh", "-c", f"cp {NGINX} /root/nginx.after && cp /root/nginx.before {NGINX} && nginx -s reload")
    podman_exec(HOST, "sh", "-c", f"sleep 1; cp /root/nginx.after {NGINX} && rm /root/nginx.after")
    assert post(2) == 200
    result = run_playbook("deploy", inventory).assert_ok()
    assert post(2) == 413 and nginx_workers() == 3
    assert result.recap[HOST]["changed"] == 1, "only the reload was left to do"


def test_a_unit_that_was_written_but_never_loaded_is_healed(inventory: Path) -> None:
    old = f"cp {SLICE} /root/slice.after && cp /root/slice.before {SLICE} && systemctl daemon-reload"
    podman_exec(HOST, "sh", "-c", old)
    podman_exec(HOST, "systemd-run", "--quiet", "--wait", "--slice=demo.slice", "true")  # now the kernel follows
    podman_exec(HOST, "sh", "-c", f"sleep 1; cp /root/slice.after {SLICE} && rm /root/slice.after")
    assert memory_limit_mb() != 700
    run_playbook("deploy", inventory).assert_ok()
    assert memory_limit_mb() == 700
    assert "NeedDaemonReload=no" in podman_exec(HOST, "systemctl", "show", "demo.slice").stdout
