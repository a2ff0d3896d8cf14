# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that says where a Redis server keeps what (its argument spec: module_utils/redis/server.py)."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  server:
    description: Where the server keeps what.
    type: dict
    required: true
    suboptions:
      binary:
        description: Path of its program.
        type: path
        required: true
      unit:
        description: Name of its systemd unit.
        type: str
        required: true
      user:
        description: User that it runs as.
        type: str
        required: true
      config:
        description: Path of its configuration.
        type: path
        required: true
      acl:
        description: Path of its ACL file.
        type: path
        required: true
      drop_in:
        description: Path of its unit's drop-in.
        type: path
        required: true
      socket:
        description: Path of the unix socket that it listens on.
        type: path
        required: true
      data:
        description: Directory of its data.
        type: path
        required: true
      password:
        description: File that only root can read, with the administrator's password. It is made when it is not there.
        type: path
        required: true
"""
