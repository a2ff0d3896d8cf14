# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say whether a variable has the same value on another host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

DOCUMENTATION = r"""
---
name: same_variable
short_description: Say whether a variable has the same value on another host
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - Of another host Ansible cannot tell a variable that is itself made of C(hostvars). Then the answer is no, in place
    of an error.
options:
  _input:
    description: The value on this host.
    type: raw
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  host:
    description: The other host.
    type: str
    required: true
  name:
    description: Name of the variable.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Do what the first host has not done for this one
  ansible.builtin.debug:
  when: not (webstack_apps | rightsize.webstack.same_variable(hostvars, ansible_play_hosts_all[0], 'webstack_apps'))
"""

RETURN = r"""
_value:
  description: Whether the values are known and the same.
  type: bool
"""


def same_variable(value: Any, hostvars: Mapping[str, Mapping[str, Any]], host: str, name: str) -> bool:
    """Return whether ``name`` of ``host`` is known and equal to ``value``."""
    try:
        return bool(hostvars[host][name] == value)
    except Exception:  # what Ansible raises for a value that it cannot make differs from version to version
        return False


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"same_variable": same_variable}
