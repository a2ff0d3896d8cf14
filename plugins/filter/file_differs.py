# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say whether a file has to be written, by one look at many: a task for each costs two remote calls at every run."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Callable

DOCUMENTATION = r"""
---
name: file_differs
short_description: Say whether a file that was looked at is not as it should be
version_added: 0.1.0
author: The rightsize.webstack authors
description:
  - Compares content, mode, owner and group of one file with what M(ansible.builtin.find) has found. A file that was not
    found, or is no regular file, differs.
options:
  _input:
    description: The result of M(ansible.builtin.find) with O(ansible.builtin.find#module:get_checksum=true) and
      O(ansible.builtin.find#module:checksum_algorithm=sha256).
    type: dict
    required: true
  path:
    description: Path of the file.
    type: str
    required: true
  text:
    description: What it should hold.
    type: str
    required: true
  mode:
    description: Its mode, in octal.
    type: str
    default: '0644'
  owner:
    description: Name of its owner.
    type: str
    default: root
  group:
    description: Name of its group.
    type: str
    default: root
"""

EXAMPLES = r"""
- name: Look at the files
  ansible.builtin.find:
    paths: [/etc/nginx]
    patterns: [nginx.conf]
    get_checksum: true
    checksum_algorithm: sha256
  register: found

- name: Write the configuration
  ansible.builtin.template: {src: nginx.conf.j2, dest: /etc/nginx/nginx.conf, owner: root, group: root, mode: "0644"}
  when: >-
    found | rightsize.webstack.file_differs('/etc/nginx/nginx.conf',
    lookup('ansible.builtin.template', 'nginx.conf.j2'))
"""

RETURN = r"""
_value:
  description: Whether it differs.
  type: bool
"""


def file_differs(
    found: Mapping[str, Any], path: str, text: str, mode: str = "0644", owner: str = "root", group: str = "root"
) -> bool:
    """Return whether the file at ``path`` is not there with this text, mode, owner and group."""
    wanted = {"checksum": sha256(text.encode()).hexdigest(), "mode": mode, "pw_name": owner, "gr_name": group}
    there: list[Mapping[str, Any]] = [one for one in found.get("files", []) if one["path"] == path]
    return not any(all(one.get(key) == value for key, value in wanted.items()) for one in there)


class FilterModule:
    """The filter of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"file_differs": file_differs}
