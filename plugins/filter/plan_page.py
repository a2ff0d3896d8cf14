# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render plans as a web page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.page import page

DOCUMENTATION = r"""
---
name: plan_page
short_description: Render the plans of hosts as one self-contained web page
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - Shows each machine's CPU clusters, its memory budget as a stacked bar, and every number with its reason.
options:
  _input:
    description: Dictionary of host names to dictionaries with the facts C(hardware) and C(sizing).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write the page
  ansible.builtin.copy:
    content: "{{ {inventory_hostname: ansible_facts} | rightsize.webstack.plan_page }}"
    dest: plan.html
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"plan_page": page}
