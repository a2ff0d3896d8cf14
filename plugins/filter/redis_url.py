# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the URL with which an app finds its Redis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable
from urllib.parse import quote

DOCUMENTATION = r"""
---
name: redis_url
short_description: Make the URL with which an app finds its Redis
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - The form that client libraries take, as in C(redis://agente:PASSWORD@10.0.0.5:6379/0). It has the password.
options:
  _input:
    description: The app's entry in webstack_apps.
    type: dict
    required: true
  host:
    description: Name or address of the server.
    type: str
    required: true
  port:
    description: Port of the server.
    type: int
    default: 6379
  tls:
    description: Whether the server speaks TLS there.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Release the app
  ansible.builtin.include_role:
    name: rightsize.webstack.gunicorn_app
  vars:
    gunicorn_app_secrets:
      REDIS_URL: "{{ webstack_app | rightsize.webstack.redis_url('127.0.0.1') }}"
"""

RETURN = r"""
_value:
  description: The URL.
  type: str
"""


def redis_url(app: Mapping[str, Any], host: str, port: int = 6379, tls: bool = False) -> str:
    """Return the URL for an app whose entry has a password for Redis."""
    place = f"[{host}]" if ":" in host else host
    login = f"{quote(app['name'], safe='')}:{quote(str(app['redis']['password']), safe='')}"
    return f"{'rediss' if tls else 'redis'}://{login}@{place}:{port}/0"


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"redis_url": redis_url}
