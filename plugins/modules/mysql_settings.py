#!/usr/bin/python
# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mysql_settings
short_description: Bring a MySQL or MariaDB server to the settings of its plan
version_added: 0.1.0
description:
  - Writes a drop-in with the plan's numbers in the variables that this very server has. Variables that it does not
    have, no longer has or calls deprecated are never written.
  - The server itself judges the drop-in before it replaces the old one. A value that it would refuse, change or ignore
    is an error, and nothing is touched.
  - What can be set while the server runs is set at once, without a restart. The rest waits for a restart, which is done
    only if it is allowed. A server that does not come back gets its old drop-in back and is started with that.
  - Compares with the running server each time, so that what an interrupted run has left is made good.
author:
  - The rightsize.webstack authors (!UNKNOWN)
attributes:
  check_mode:
    description: Says what would be set, what would wait for a restart, and shows the drop-in as a diff.
    support: full
  diff_mode:
    description: Shows the drop-in, and the values of the running server.
    support: full
options:
  plan:
    description: The plan's numbers, as C(sizing.mysql) of M(rightsize.webstack.sizing_facts) has them.
    type: dict
    required: true
  settings:
    description:
      - Other variables to set, by name. They win over the plan's. One that this server does not have or calls
        deprecated is an error.
    type: dict
    default: {}
  slow_log:
    description: Whether slow queries are logged.
    type: bool
    default: true
  slow_log_file:
    description: Where they are logged.
    type: path
    default: /var/log/mysql/slow.log
  slow_log_seconds:
    description: How long a query takes at least to be logged (seconds).
    type: float
    default: 1.0
  drop_in:
    description: Path of the drop-in. By default C(99-webstack.cnf) in the server's directory of drop-ins.
    type: path
  restart:
    description:
      - V(when_required) restarts the server when a setting needs it, V(never) only says which do.
      - A server that has no databases but its own serves nobody yet, and is restarted in either case.
    type: str
    choices: [never, when_required]
    default: never
  unit:
    description: The server's systemd unit. By default C(mariadb), C(mysql) or C(mysqld), whichever is there.
    type: str
  start_timeout:
    description: Seconds within which a restarted server has to answer.
    type: int
    default: 120
extends_documentation_fragment:
  - rightsize.webstack.mysql_login
seealso:
  - module: rightsize.webstack.sizing_facts
  - module: rightsize.webstack.mysql_indexes
"""

EXAMPLES = r"""
- name: Bring the server to the plan
  rightsize.webstack.mysql_settings:
    plan: "{{ ansible_facts.sizing.mysql }}"
    settings:
      wait_timeout: 600
  register: tuned

- name: Say what waits for a restart
  ansible.builtin.debug:
    var: tuned.waiting
"""

RETURN = r"""
server:
  description: What the server is.
  returned: success
  type: str
  sample: MariaDB 11.8.9
drop_in:
  description: Path of the drop-in.
  returned: success
  type: str
applied:
  description: What was set in the running server, by name, with the value before (C(from)) and now (C(to)).
  returned: success
  type: dict
waiting:
  description: What only a restart will change, in the same form.
  returned: success
  type: dict
  sample: {performance_schema: {from: "OFF", to: "ON"}}
differed:
  description: In words, where the running server differed before.
  returned: success
  type: list
  elements: str
  sample: ["max_connections is 151, not 100"]
restarted:
  description: Whether the server was restarted.
  returned: success
  type: bool
databases:
  description: Names of the databases that the server has.
  returned: success
  type: list
  elements: str
no_answer:
  description: Why the server could not be asked, in check mode; empty when it was. Else that is a failure.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.connection import LOGIN_SPEC, Login
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.errors import MysqlError
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.settings import Wish, bring
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.variables import SlowLog


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "plan": {"type": "dict", "required": True},
            "settings": {"type": "dict", "default": {}},
            "slow_log": {"type": "bool", "default": True},
            "slow_log_file": {"type": "path", "default": "/var/log/mysql/slow.log"},
            "slow_log_seconds": {"type": "float", "default": 1.0},
            "drop_in": {"type": "path"},
            "restart": {"type": "str", "choices": ["never", "when_required"], "default": "never"},
            "unit": {"type": "str"},
            "start_timeout": {"type": "int", "default": 120},
            **LOGIN_SPEC,
        },
        supports_check_mode=True,
    )
    options = module.params
    wish = Wish(
        plan=options["plan"],
        slow_log=SlowLog(options["slow_log"], options["slow_log_file"], options["slow_log_seconds"]),
        others=options["settings"],
        drop_in=options["drop_in"],
        restart=options["restart"] == "when_required",
        unit=options["unit"],
        start_timeout=options["start_timeout"],
    )
    try:
        outcome = bring(wish, Login.of(options), module.check_mode)
    except MysqlError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**outcome.to_dict())


if __name__ == "__main__":
    main()
