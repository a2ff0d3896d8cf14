# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role says about its variables and what its defaults are must be the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
ROLES = sorted(path for path in (REPOSITORY / "roles").glob("*") if path.is_dir())

pytestmark = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def load(path: Path) -> dict[str, Any]:
    """Return a YAML file's mapping, empty for an empty file."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def defaults(role: Path) -> dict[str, Any]:
    return load(role / "defaults" / "main.yml")


def options(role: Path) -> dict[str, Any]:
    """Return the options of every entry point together."""
    entry_points = load(role / "meta" / "argument_specs.yml")["argument_specs"].values()
    return {name: option for entry in entry_points for name, option in entry.get("options", {}).items()}


def test_every_default_is_described(role: Path) -> None:
    assert sorted(set(defaults(role)) - set(options(role))) == []


def test_every_documented_default_is_set(role: Path) -> None:
    """An option with a documented default has it in defaults/main.yml as well: argument specs set none."""
    documented = {name for name, option in options(role).items() if "default" in option}
    assert sorted(documented - set(defaults(role))) == []


def test_documented_defaults_are_the_real_ones(role: Path) -> None:
    """Defaults computed by a template cannot be written in the argument specs; they are described in words."""
    real = defaults(role)
    differing = {
        name: (option["default"], real[name])
        for name, option in options(role).items()
        if "default" in option and name in real and option["default"] != real[name]
    }
    assert differing == {}


def test_every_variable_carries_the_roles_name(role: Path) -> None:
    public = (f"{role.name}_", "webstack_")
    private = f"__{role.name}_"
    assert [name for name in options(role) if not name.startswith(public)] == []
    assert [name for name in defaults(role) if not name.startswith((*public, private))] == []
