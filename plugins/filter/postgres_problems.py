# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what is wrong with the databases of the role postgres_pgvector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.databases import read_databases
from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.errors import PostgresError

DOCUMENTATION = r"""
---
name: postgres_problems
short_description: Say what is wrong with the databases of the role postgres_pgvector
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - Every sentence names the variable, its value and the way out. Passwords are never repeated.
options:
  _input:
    description: The list postgres_pgvector_databases.
    type: list
    elements: dict
    required: true
  where:
    description: Name of the variable.
    type: str
    default: postgres_pgvector_databases
"""

EXAMPLES = r"""
- name: Stop at what cannot be meant
  ansible.builtin.assert:
    that: postgres_pgvector_databases | rightsize.webstack.postgres_problems | length == 0
"""

RETURN = r"""
_value:
  description: One sentence for the first mistake; empty when there is none.
  type: list
  elements: str
"""


def postgres_problems(databases: Sequence[Any], where: str = "postgres_pgvector_databases") -> list[str]:
    """Return what is wrong with ``databases``."""
    try:
        read_databases(databases, where)
    except PostgresError as error:
        return [str(error)]
    return []


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postgres_problems": postgres_problems}
