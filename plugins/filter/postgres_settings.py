# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which settings PostgreSQL does not run with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.settings import differing

DOCUMENTATION = r"""
---
name: postgres_settings
short_description: Say which settings PostgreSQL does not run with
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - Compares by meaning, so that 1GB is 1024MB and on is true.
options:
  _input:
    description: Settings by name as postgresql.conf has them.
    type: dict
    required: true
  rows:
    description: Rows of pg_settings.
    type: list
    elements: dict
    required: true
  pending:
    description: Settings that wait for a restart whoever set them, with C(wanted), what they will be.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show what differs
  ansible.builtin.debug:
    msg: "{{ {'work_mem': '8MB'} | rightsize.webstack.postgres_settings(rows) }}"
"""

RETURN = r"""
_value:
  description:
    - For each one its name, the wanted and the live value, where that is from, and whether a restart is needed.
  type: list
  elements: dict
"""


def postgres_settings(
    wanted: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], pending: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Return what of ``wanted`` the server does not run with, and what else waits for a restart."""
    return differing(wanted, rows, pending)


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postgres_settings": postgres_settings}
