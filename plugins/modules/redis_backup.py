#!/usr/bin/python
# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: redis_backup
short_description: Take, schedule and restore backups of a Redis or Valkey server
version_added: 0.1.0
description:
  - A backup is a dump that the server wrote in the background, that was copied, read through with C(redis-check-rdb)
    and given a checksum. What does not pass is removed, and the backups that were there stay.
  - A restore reads the backup through before it touches anything. What the server had is kept in C(before-restore)
    below its data until the next restore, and put back when the server does not start with the backup.
extends_documentation_fragment:
  - rightsize.webstack.store_backup
  - rightsize.webstack.redis_server
author:
  - The rightsize.webstack authors (!UNKNOWN)
attributes:
  check_mode:
    description: A backup is not taken; one to be restored is read through.
    support: full
  diff_mode:
    description: With V(scheduled) it shows the units.
    support: partial
options:
  state:
    description:
      - V(taken) takes a backup now, V(restored) puts one in the place of what the server has.
      - V(scheduled) puts the command C(webstack-redis) on the host, and a timer that runs it where O(schedule) says so.
    type: str
    choices: [taken, restored, scheduled]
    required: true
  name:
    description: The backup to restore, by name, or V(latest).
    type: str
"""

EXAMPLES = r"""
- name: Take a backup
  rightsize.webstack.redis_backup:
    state: taken
    folder: /var/backups/webstack/redis
    server:
      binary: /usr/bin/redis-server
      unit: redis-server.service
      user: redis
      config: /etc/redis/webstack.conf
      acl: /etc/redis/webstack.acl
      drop_in: /etc/systemd/system/redis-server.service.d/webstack.conf
      socket: /run/redis/redis-server.sock
      data: /var/lib/redis
      password: /etc/webstack/redis-admin.password

- name: Restore the latest
  rightsize.webstack.redis_backup:
    state: restored
    name: latest
    folder: /var/backups/webstack/redis
    server: "{{ where_redis_keeps_what }}"
"""

RETURN = r"""
backup:
  description: The backup that was taken or restored.
  returned: with taken (not in check mode) and restored
  type: dict
  sample: {name: redis-20261121T041000Z.rdb, bytes: 1048576, keys: 5120}
last_failed:
  description: Whether the last backup that the timer started failed.
  returned: with scheduled
  type: bool
backups:
  description: Names of all that there are now, newest first.
  returned: with taken and restored
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.backup import listed, restore, take
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.on_host import PROGRAM
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.server import SERVER_SPEC, Server
from ansible_collections.rightsize.webstack.plugins.module_utils.store.errors import StoreError
from ansible_collections.rightsize.webstack.plugins.module_utils.store.options import BACKUP_SPEC, UNITS_NEEDED
from ansible_collections.rightsize.webstack.plugins.module_utils.store.timer import install


def run(options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Do what the options say. Raises ``StoreError``."""
    server, folder = Server.of(options["server"]), Path(options["folder"])
    if options["state"] == "scheduled":
        config = {"server": options["server"], "folder": str(folder), "keep": options["keep"]}
        return install(PROGRAM, config, options["service"], options["timer"], options["schedule"], check_mode)
    result: dict[str, Any] = {"changed": True}
    if options["state"] == "restored":
        result["backup"] = restore(server, folder, options["name"], check_mode).to_dict()
    elif not check_mode:
        result["backup"] = take(server, folder, options["keep"]).to_dict()
    return {**result, "backups": [backup.path.name for backup in listed(folder)]}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **BACKUP_SPEC,
            "name": {"type": "str"},
            "server": SERVER_SPEC,
        },
        required_if=[("state", "restored", ("name",)), UNITS_NEEDED],
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except StoreError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
