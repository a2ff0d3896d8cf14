#!/usr/bin/python
# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: redis_config
short_description: Make a Redis or Valkey server run what its configuration says
version_added: 0.1.0
description:
  - Writes the server's configuration, its ACL file and a drop-in of its unit, and brings the running server to them.
  - What a running server can take over is set live, all at once; it is restarted only for the rest, and the result says
    why.
  - Nothing is touched before a scratch server, empty and apart, has started with the new files. What the settings mean
    is read from that server, so C(100mb) and C(104857600) are the same, and a setting that is left out is the default.
  - When the server does not come up all the same, the old files are put back and it is started with those.
extends_documentation_fragment:
  - rightsize.webstack.redis_server
author:
  - The rightsize.webstack authors (!UNKNOWN)
attributes:
  check_mode:
    description: It says what differs, what would be set live and why a restart would be needed.
    support: full
  diff_mode:
    description: It shows the files and the running server's settings, with passwords' digests left out.
    support: full
options:
  settings:
    description: The settings, as the server's configuration file names them. A list becomes one line each.
    type: dict
    required: true
  users:
    description: Users besides the administrator C(webstack), who has a password of the host's own making.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      password:
        description: Password. The server and its files get its SHA-256 digest alone.
        type: str
        required: true
      keys:
        description: Patterns of the keys and channels that the user may touch; C(NAME:*) when left out.
        type: list
        elements: str
        default: []
      commands:
        description: Rules about commands, after those that give all but the administrative and dangerous ones.
        type: list
        elements: str
        default: []
  previous_passwords:
    description: Whether the password that a user had before the current one goes on being accepted.
    type: str
    choices: [keep, revoke]
    default: keep
  restart:
    description: Whether to restart the server when that is the only way.
    type: str
    choices: [when_required, never]
    default: when_required
  monitored:
    description:
      - Whether there is a user C(webstack_metrics) who reads figures and no keys. Its password is of the host's own
        making, in a file beside the administrator's (C(…-metrics.env)) that only root can read, for C(EnvironmentFile).
    type: bool
    default: false
  unit_drop_in:
    description: Text of the unit's drop-in, with C(@DIGEST@) for a digest of itself.
    type: str
    required: true
  memory_max_mb:
    description: Memory that the unit may use (MiB), as the drop-in says. A running unit is held to it at once.
    type: int
"""

EXAMPLES = r"""
- name: Configure the server
  rightsize.webstack.redis_config:
    settings: {maxmemory: 100mb, maxmemory-policy: allkeys-lfu, save: ""}
    users:
      - name: agente
        password: "{{ agente_redis_password }}"
    unit_drop_in: "{{ lookup('ansible.builtin.template', 'unit.conf.j2') }}"
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
"""

RETURN = r"""
live:
  description: Settings that were changed while the server ran.
  returned: always
  type: list
  elements: str
  sample: [maxmemory, maxmemory-policy]
restarted:
  description: Whether the server was restarted.
  returned: always
  type: bool
started:
  description: Whether the server was down and has been started.
  returned: always
  type: bool
restart_reasons:
  description: Why a restart was needed.
  returned: always
  type: list
  elements: str
  sample: ["io-threads is 1, wanted 3"]
waiting:
  description: What waits for a restart that O(restart) forbids.
  returned: always
  type: list
  elements: str
differences:
  description: How files, users and the running server differed from what is wanted, in words.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.acl import read_users
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.apply import Wanted, bring_about
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.server import SERVER_SPEC, Server
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.settings import check
from ansible_collections.rightsize.webstack.plugins.module_utils.store.errors import StoreError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "required": True},
            "users": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "password": {"type": "str", "required": True, "no_log": True},
                    "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
                    "commands": {"type": "list", "elements": "str", "default": []},
                },
            },
            "previous_passwords": {
                "type": "str",
                "choices": ["keep", "revoke"],
                "default": "keep",
                "no_log": False,
            },
            "restart": {"type": "str", "choices": ["when_required", "never"], "default": "when_required"},
            "monitored": {"type": "bool", "default": False},
            "unit_drop_in": {"type": "str", "required": True},
            "memory_max_mb": {"type": "int"},
            "server": SERVER_SPEC,
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        check(options["settings"])
        wanted = Wanted(
            settings=options["settings"],
            users=read_users(options["users"]),
            unit_text=options["unit_drop_in"],
            memory_max_mb=options["memory_max_mb"],
            keep_previous=options["previous_passwords"] == "keep",
            may_restart=options["restart"] == "when_required",
            monitored=options["monitored"],
        )
        result = bring_about(Server.of(options["server"]), wanted, module.check_mode)
    except StoreError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
