# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take out of webstack_apps what a module that plans must not be told: Ansible logs what modules are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

DOCUMENTATION = r"""
---
name: without_secrets
short_description: Take the secrets out of webstack_apps
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - Leaves out C(secrets) and C(checks) of every app, and the passwords of its stores. What planning reads is kept.
options:
  _input:
    description: The list webstack_apps.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Plan the host
  rightsize.webstack.sizing_facts:
    hardware: "{{ ansible_facts.hardware }}"
    apps: "{{ webstack_apps | rightsize.webstack.without_secrets }}"
"""

RETURN = r"""
_value:
  description: The list without secrets.
  type: list
  elements: dict
"""

STORES = ("postgres", "mysql", "redis")
#: What planning reads of an app's entry for a store.
PLANNED = ("database", "extensions")


def without_secrets(apps: Any) -> Any:
    """Return the entries without what is secret in them; what is no entry is left for planning to refuse."""
    return [_without(app) if isinstance(app, Mapping) else app for app in apps] if isinstance(apps, list) else apps


def _without(app: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in app.items() if key not in ("secrets", "checks")}
    stores = {name: kept[name] for name in STORES if isinstance(kept.get(name), Mapping)}
    return {**kept, **{name: {key: entry[key] for key in PLANNED if key in entry} for name, entry in stores.items()}}


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"without_secrets": without_secrets}
