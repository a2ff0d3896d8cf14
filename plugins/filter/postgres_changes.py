# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what is missing of the databases and roles that the inventory declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.databases import (
    cluster_statements,
    databases_to_change,
    read_databases,
    roles_to_change,
)

DOCUMENTATION = r"""
---
name: postgres_changes
short_description: Say what is missing of the databases and roles that the inventory declares
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - Takes what the server has told of itself, so that only what differs costs a task.
options:
  _input:
    description: The list postgres_pgvector_databases.
    type: list
    elements: dict
    required: true
  state:
    description: What the server has told.
    type: dict
    required: true
  seed:
    description: Name of the server, from which salts are made.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what is missing
  ansible.builtin.debug:
    msg: "{{ postgres_pgvector_databases | rightsize.webstack.postgres_changes(state, inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description:
    - The names of roles and databases to make or correct (C(roles), C(databases)), and C(statements) for the rest.
  type: dict
"""


def postgres_changes(databases: Sequence[Any], state: Mapping[str, Any], seed: str) -> dict[str, Any]:
    """Return the names of ``roles`` and ``databases`` that differ, and the ``statements`` that do the rest."""
    declared = read_databases(databases, "postgres_pgvector_databases")
    return {
        "roles": roles_to_change(declared, state["roles"], seed),
        "databases": databases_to_change(declared, state["databases"]),
        "statements": [
            statement
            for database in declared
            for statement in cluster_statements(
                database, state["databases"].get(database.name, {}), state["memberships"]
            )
        ],
    }


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postgres_changes": postgres_changes}
