# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell under which address other hosts reach a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

DOCUMENTATION = r"""
---
name: host_address
short_description: Tell under which address other hosts reach a host
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - The first that is there of C(webstack_address), C(ansible_host) and C(inventory_hostname).
options:
  _input:
    description: The host's variables.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show how the database is reached
  ansible.builtin.debug:
    msg: "{{ hostvars[groups.postgres[0]] | rightsize.webstack.host_address }}"
"""

RETURN = r"""
_value:
  description: The address or the name.
  type: str
"""

NAMES = ("webstack_address", "ansible_host", "inventory_hostname")


def host_address(variables: Mapping[str, Any]) -> str:
    """Return the address or name of the host that has ``variables``."""
    return next(str(variables[name]) for name in NAMES if variables.get(name))


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"host_address": host_address}
