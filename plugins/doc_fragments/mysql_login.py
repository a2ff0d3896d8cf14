# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say how to reach a MySQL or MariaDB server (argument spec: module_utils/mysql/connection.py)."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
requirements:
  - PyMySQL on the host (C(python3-pymysql))
options:
  login_user:
    description: User to log in as. By default the one of O(config_file), or root through the server's socket.
    type: str
  login_password:
    description: Its password.
    type: str
  login_host:
    description: Name or address of the server. By default its unix socket on this host.
    type: str
  login_port:
    description: Its port.
    type: int
    default: 3306
  login_unix_socket:
    description: Path of its socket, where it is not at one of the usual places.
    type: path
  config_file:
    description: Options file of the client with user and password, read if it is there.
    type: path
    default: ~/.my.cnf
"""
