# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what is missing inside one database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.databases import (
    grant_statements,
    read_databases,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.indexes import index_statements

DOCUMENTATION = r"""
---
name: postgres_contents
short_description: Say what is missing inside one database
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - Takes what the database has told of itself, so that only what differs costs a task.
options:
  _input:
    description: An entry of postgres_pgvector_databases.
    type: dict
    required: true
  state:
    description: What the database has told.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what is missing
  ansible.builtin.debug:
    msg: "{{ postgres_pgvector_databases[0] | rightsize.webstack.postgres_contents(state) }}"
"""

RETURN = r"""
_value:
  description:
    - The C(extensions) to make, and the C(statements) that grant what each user's access says.
    - The C(indexes) to build with their statements, and the C(tables) that those still wait for.
  type: dict
"""


def postgres_contents(database: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``extensions``, ``statements``, ``indexes`` and ``tables`` of one database."""
    (declared,) = read_databases([database], "postgres_pgvector_databases")
    tables = state["tables"]
    return {
        "extensions": [name for name in declared.extensions if name not in state["extensions"]],
        "statements": grant_statements(declared, state),
        "indexes": index_statements([one for one in declared.indexes if one.table in tables], state["indexes"]),
        "tables": sorted({one.table for one in declared.indexes} - set(tables)),
    }


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postgres_contents": postgres_contents}
