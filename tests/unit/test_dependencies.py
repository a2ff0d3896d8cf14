# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""galaxy.yml and requirements.yml name the collections that are used, and no others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
# A module, or a plugin in an expression: the first two of its three names are its collection.
FULL_NAME = re.compile(r"\b((?:ansible|community|containers)\.[a-z]+)\.[a-z_0-9]+")
PART_OF_ANSIBLE_CORE = {"ansible.builtin"}


def load(name: str) -> Any:
    return yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))


def used() -> set[str]:
    """Return the collections whose plugins roles and playbooks name."""
    files = [file for folder in ("roles", "playbooks") for file in (REPOSITORY / folder).rglob("*.yml")]
    names = {name for file in files for name in FULL_NAME.findall(file.read_text(encoding="utf-8"))}
    return names - PART_OF_ANSIBLE_CORE


def test_what_is_used_is_what_is_asked_for() -> None:
    assert set(load("galaxy.yml")["dependencies"]) == used()


def test_both_files_ask_for_the_same() -> None:
    required = {entry["name"]: entry["version"] for entry in load("requirements.yml")["collections"]}
    assert required == load("galaxy.yml")["dependencies"]
