#!/usr/bin/python
# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_home
short_description: Give a host what the releases of an app need
version_added: 0.1.0
description:
  - Creates the user that runs the app and the one that builds releases, as C(/etc/sysusers.d/webstack-APP.conf)
    declares them; the directories C(/srv/APP), C(/srv/APP/incoming) for sources, and C(/srv/APP/shared), the only one
    that the app may write to; and the units.
  - Lets systemd read the units again when one has changed, and starts the app's current release at boot.
author:
  - The rightsize.webstack authors (!UNKNOWN)
attributes:
  check_mode:
    description: Says what would be created or changed.
    support: full
  diff_mode:
    description: Shows every file, directory, link and user that differs.
    support: full
options:
  app:
    description: Name of the app. It names the unit, the slice, the user and the directories.
    type: str
    required: true
  group:
    description: The group that may connect to the app's socket, so the one that nginx runs as. It must exist.
    type: str
    default: www-data
  units:
    description: Unit files by name (C(APP@.service)), each with its text.
    type: dict
    required: true
  absent_units:
    description: Names of unit files that must not be there.
    type: list
    elements: str
    default: []
seealso:
  - module: rightsize.webstack.release
"""

EXAMPLES = r"""
- name: Prepare the host for the app's releases
  rightsize.webstack.release_home:
    app: agente
    units:
      agente@.service: "{{ lookup('ansible.builtin.template', 'app@.service.j2') }}"
      agente.slice: "{{ lookup('ansible.builtin.template', 'app.slice.j2') }}"
"""

RETURN = r"""
archives:
  description: Paths of the packed sources that are on the host, so that they need not be sent again.
  type: list
  elements: str
  returned: success
  sample: [/srv/agente/incoming/8f14e45fceea167a.tar.gz]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.rightsize.webstack.plugins.module_utils.release.home import Home, archives, prepare
from ansible_collections.rightsize.webstack.plugins.module_utils.release.layout import Layout, check_app_name


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "group": {"type": "str", "default": "www-data"},
            "units": {"type": "dict", "required": True},
            "absent_units": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    try:
        layout = Layout(check_app_name(wanted["app"]))
        home = Home(layout, wanted["units"], wanted["absent_units"], wanted["group"])
        done = prepare(home, module.check_mode)
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=done.changed, diff=done.diff, archives=archives(layout))


if __name__ == "__main__":
    main()
