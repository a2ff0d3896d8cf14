#!/usr/bin/python
# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mysql_backup
short_description: Back up MySQL or MariaDB databases, prove each backup, and restore them
version_added: 0.1.0
description:
  - Dumps every database as of one moment, while others read and write, with routines, triggers and events, and the
    users with their grants.
  - Each dump has its SHA-256, and is restored into a scratch database that is compared with what was dumped and removed
    again. A backup that was not proved so does not count, and is not kept.
  - The same program is put on the host (C(webstack-mysql)), where a timer runs it.
author:
  - The rightsize.webstack authors (!UNKNOWN)
attributes:
  check_mode:
    description: Says what would be done. A restore checks that the backup is there and whole.
    support: full
  diff_mode:
    description: Shows the units.
    support: full
options:
  state:
    description:
      - V(taken) takes a backup now.
      - V(restored) puts O(database) of the backup O(name) in the place of what is there. What was there is dumped to
        C(before-restore) in O(folder) first. Users of it that are gone are made again; those that are there keep their
        passwords.
      - V(scheduled) puts the program and its timer on the host.
    type: str
    choices: [taken, restored, scheduled]
    required: true
  databases:
    description: The databases to back up; all but the server's own by default.
    type: list
    elements: str
    default: []
  name:
    description: The backup to restore, or V(latest).
    type: str
    default: latest
  database:
    description: Which database of it. May be left out where it has only one.
    type: str
  beside:
    description: Restore it under this name, beside what is there. Its events are left out.
    type: str
extends_documentation_fragment:
  - rightsize.webstack.store_backup
  - rightsize.webstack.mysql_login
"""

EXAMPLES = r"""
- name: Take a backup
  rightsize.webstack.mysql_backup:
    state: taken
    folder: /var/backups/webstack/mysql

- name: Have yesterday's rows beside today's
  rightsize.webstack.mysql_backup:
    state: restored
    folder: /var/backups/webstack/mysql
    name: 20261123T032000Z
    database: agente
    beside: agente_yesterday
"""

RETURN = r"""
backup:
  description: The backup that was taken or restored.
  returned: when there is one
  type: dict
  contains:
    name: {description: Its name., type: str}
    path: {description: Its directory., type: str}
    bytes: {description: Its size., type: int}
    server: {description: What it was taken from., type: str}
    databases: {description: "Its databases by name, each with how many C(tables) and C(rows) it has.", type: dict}
backups:
  description: Names of the backups that are there, newest first.
  returned: with O(state=taken) and O(state=restored)
  type: list
  elements: str
last_failed:
  description: Whether the last scheduled backup failed.
  returned: with O(state=scheduled)
  type: bool
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.backup import Store, listed, restore, take
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.connection import LOGIN_SPEC, Login
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.on_host import PROGRAM, configuration
from ansible_collections.rightsize.webstack.plugins.module_utils.store.errors import StoreError
from ansible_collections.rightsize.webstack.plugins.module_utils.store.options import BACKUP_SPEC, UNITS_NEEDED
from ansible_collections.rightsize.webstack.plugins.module_utils.store.timer import install


def run(options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Do what the options say. Raises ``StoreError``."""
    store = Store(Path(options["folder"]), Login.of(options), tuple(options["databases"]))
    if options["state"] == "scheduled":
        config = configuration(store, options["keep"])
        return install(PROGRAM, config, options["service"], options["timer"], options["schedule"], check_mode)
    result: dict[str, Any] = {"changed": True}
    if options["state"] == "restored":
        found = restore(store, options["name"], options["database"], options["beside"], check_mode)
        result["backup"] = found.to_dict()
    elif not check_mode:
        result["backup"] = take(store, options["keep"]).to_dict()
    return {**result, "backups": [backup.name for backup in listed(store.folder)]}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **BACKUP_SPEC,
            "databases": {"type": "list", "elements": "str", "default": []},
            "name": {"type": "str", "default": "latest"},
            "database": {"type": "str"},
            "beside": {"type": "str"},
            **LOGIN_SPEC,
        },
        required_if=[UNITS_NEEDED],
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except StoreError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
