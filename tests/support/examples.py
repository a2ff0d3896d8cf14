# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the inventories that users copy on test hosts, with as little changed as possible.

inventory = write_example(tmp_path, "citas", change=lambda variables: variables["webstack_apps"][0].update(workers=2))
run_playbook("deploy", inventory).assert_ok()
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .playbooks import CHECKOUT, address, container

APPS = CHECKOUT / "tests" / "apps"
CERTIFICATE = {"self_signed": True}


def write_example(
    directory: Path,
    name: str,
    change: Callable[[dict[str, Any]], None] = lambda variables: None,
    hosts: Mapping[str, str] | None = None,
) -> Path:
    """Write (again) a copy of ``inventories/NAME`` for test hosts.

    Its hosts become containers of the same name, or of the one that ``hosts`` gives; certificates become
    self-signed; sources become absolute; checks may take as long as a machine needs that does other things as well.
    ``change`` may alter the variables, in place.
    """
    example = CHECKOUT / "inventories" / name
    variables = yaml.safe_load((example / "group_vars" / "all.yml").read_text(encoding="utf-8"))
    for app in variables["webstack_apps"]:
        app["source"] = {"path": str(APPS / app["name"])}
        app["tls"] = dict(CERTIFICATE)
        for check in app.get("checks", []):
            check.pop("max_seconds", None)
    change(variables)
    content = yaml.safe_load((example / "hosts.yml").read_text(encoding="utf-8"))
    children = content["all"]["children"]
    names = {host for group in children.values() for host in group["hosts"]}
    connections = {
        host: {
            "ansible_connection": "podman_pipelined",
            "ansible_host": container((hosts or {}).get(host, host)),
            "ansible_python_interpreter": "/usr/bin/python3",
            "webstack_address": address((hosts or {}).get(host, host)),
        }
        for host in names
    }
    directory.mkdir(parents=True, exist_ok=True)
    # JSON is YAML.
    written = {"all": {"children": children, "hosts": connections, "vars": variables}}
    (directory / "hosts.yml").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return directory


def app_variant(
    app: str,
    destination: Path,
    edits: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    without: Sequence[str] = (),
) -> Path:
    """Copy an app below ``tests/apps`` and change it: text in files (``{file: [(old, new)]}``), files left out."""
    shutil.copytree(APPS / app, destination, ignore=shutil.ignore_patterns("__pycache__", *without))
    for name, replacements in (edits or {}).items():
        text = (destination / name).read_text(encoding="utf-8")
        for old, new in replacements:
            assert old in text, f"{name} of {app} has no {old!r} to replace"
            text = text.replace(old, new)
        (destination / name).write_text(text, encoding="utf-8")
    return destination
