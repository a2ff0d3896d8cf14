# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the users of a Redis server from webstack_apps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

DOCUMENTATION = r"""
---
name: redis_users
short_description: Make the users of a Redis server from webstack_apps
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - One user for each app that has a password for Redis, named like the app.
options:
  _input:
    description: The list webstack_apps.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Provision Redis
  ansible.builtin.include_role:
    name: rightsize.webstack.redis
  vars:
    redis_users: "{{ webstack_apps | rightsize.webstack.redis_users }}"
"""

RETURN = r"""
_value:
  description: Users, as the variable redis_users of the role wants them.
  type: list
  elements: dict
"""


def redis_users(apps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one user for each app whose entry has a password for Redis."""
    entries = [(app["name"], app.get("redis") or {}) for app in apps]
    return [
        {"name": name, **{key: entry[key] for key in ("password", "keys", "commands") if entry.get(key)}}
        for name, entry in entries
        if entry.get("password")
    ]


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"redis_users": redis_users}
