#!/usr/bin/python
# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_source
short_description: Pack the source of an app on the controller
version_added: 0.1.0
description:
  - Packs a directory, an archive or a wheel into one file named by its content, and checks without running anything
    that the source defines the entrypoint. The same content gives the same name on every machine.
  - Run it with C(delegate_to=localhost). It writes to the controller's cache only, in check mode too.
  - Leaves out what git ignores in a checkout, and always C(.git), virtualenvs, caches and C(.env) files.
author:
  - The rightsize.webstack authors (!UNKNOWN)
attributes:
  check_mode:
    description: Works as always, because only the cache on the controller is written.
    support: full
  diff_mode:
    description: It changes nothing on a host.
    support: none
options:
  path:
    description: Directory to pack.
    type: path
  archive:
    description: Archive (tar or zip) whose content to pack.
    type: path
  package:
    description: Wheel (a path ending in C(.whl)) or exact requirement (C(name==1.2.3)) to install.
    type: str
  base:
    description: Directory that a relative O(path), O(archive) or wheel starts from.
    type: path
    default: .
  entrypoint:
    description: What the source must define, as C(package.module:name).
    type: str
    required: true
  where:
    description: What to put before a message, to say whose source it is (C(webstack_apps[0].)).
    type: str
    default: ""
  cache:
    description: Where packed sources are kept on the controller.
    type: path
    default: ~/.cache/rightsize.webstack/sources
seealso:
  - module: rightsize.webstack.release
"""

EXAMPLES = r"""
- name: Pack the source
  rightsize.webstack.release_source:
    path: ../agente
    base: "{{ inventory_dir }}"
    entrypoint: agente.main:app
  delegate_to: localhost
  register: packed
"""

RETURN = r"""
digest:
  description: Name of the content.
  returned: success
  type: str
  sample: 3f6c0f0f2f4b8a11
label:
  description: Where it came from, for people.
  returned: success
  type: str
  sample: agente v1.4.0-2-g1a2b3c4
archive:
  description: The packed file on the controller, if there is one.
  returned: success
  type: str
requirement:
  description: The package to install, if it is one.
  returned: success
  type: str
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.rightsize.webstack.plugins.module_utils.release.source import pack


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path"},
            "archive": {"type": "path"},
            "package": {"type": "str"},
            "base": {"type": "path", "default": "."},
            "entrypoint": {"type": "str", "required": True},
            "where": {"type": "str", "default": ""},
            "cache": {"type": "path", "default": "~/.cache/rightsize.webstack/sources"},
        },
        required_one_of=[("path", "archive", "package")],
        mutually_exclusive=[("path", "archive", "package")],
        supports_check_mode=True,
    )
    try:
        packed = pack(module.params)
    except ReleaseError as error:
        module.fail_json(msg=f"{module.params['where']}{error}")
    module.exit_json(changed=False, **asdict(packed))


if __name__ == "__main__":
    main()
