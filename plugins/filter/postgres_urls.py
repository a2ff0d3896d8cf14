# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the addresses with which an app finds its PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.apps import urls_of

DOCUMENTATION = r"""
---
name: postgres_urls
short_description: Make the addresses with which an app finds its PostgreSQL database
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - The result is secret, as it has passwords.
options:
  _input:
    description: An entry of webstack_apps.
    type: dict
    required: true
  host:
    description: Address of the database's host.
    type: str
    required: true
  port:
    description: Port of PostgreSQL.
    type: int
    default: 5432
  pool_port:
    description: Port of PgBouncer, where there is one.
    type: int
"""

EXAMPLES = r"""
- name: Release the app
  ansible.builtin.include_role:
    name: rightsize.webstack.gunicorn_app
  vars:
    gunicorn_app_secrets: "{{ webstack_app | rightsize.webstack.postgres_urls('127.0.0.1') }}"
"""

RETURN = r"""
_value:
  description: DATABASE_URL, or the variable that the app has named; the owner's URL where the owner has a password.
  type: dict
"""


def postgres_urls(app: Mapping[str, Any], host: str, port: int = 5432, pool_port: int | None = None) -> dict[str, str]:
    """Return the variables with which ``app`` finds its database."""
    return urls_of(app, host, port, pool_port)


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postgres_urls": postgres_urls}
