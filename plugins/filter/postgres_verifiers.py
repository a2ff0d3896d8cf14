# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn passwords into what the server keeps of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.databases import read_databases, verifiers_of

DOCUMENTATION = r"""
---
name: postgres_verifiers
short_description: Turn the passwords of databases' roles into what PostgreSQL keeps of them
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - PostgreSQL and PgBouncer are given these instead of the passwords, which then appear in none of their logs.
options:
  _input:
    description: The list postgres_pgvector_databases.
    type: list
    elements: dict
    required: true
  seed:
    description: Name of the server, from which salts are made.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Make a role that may log in
  community.postgresql.postgresql_user:
    name: shop
    password: "{{ (postgres_pgvector_databases | rightsize.webstack.postgres_verifiers(inventory_hostname)).shop }}"
"""

RETURN = r"""
_value:
  description: The SCRAM-SHA-256 verifier of every role that logs in, by name.
  type: dict
"""


def postgres_verifiers(databases: Sequence[Any], seed: str) -> dict[str, str]:
    """Return the verifier of every role of ``databases`` that logs in."""
    return verifiers_of(read_databases(databases, "postgres_pgvector_databases"), seed)


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postgres_verifiers": postgres_verifiers}
