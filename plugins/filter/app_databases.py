# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the databases that apps ask for, and who may connect to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.apps import databases_of

DOCUMENTATION = r"""
---
name: app_databases
short_description: Find the databases that apps ask for
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - Makes C(postgres_pgvector_databases) of the entries of C(webstack_apps). Apps that name the same database share it.
options:
  _input:
    description: The list webstack_apps.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Make the apps' databases
  ansible.builtin.include_role:
    name: rightsize.webstack.postgres_pgvector
  vars:
    postgres_pgvector_databases: "{{ webstack_apps | rightsize.webstack.app_databases }}"
"""

RETURN = r"""
_value:
  description: One entry for each database.
  type: list
  elements: dict
"""


def app_databases(apps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the databases that ``apps`` ask for."""
    return databases_of(apps)


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"app_databases": app_databases}
