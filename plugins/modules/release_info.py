#!/usr/bin/python
# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_info
short_description: Say which releases of an app are on a host
version_added: 0.1.0
description:
  - Tells what is live, what is warm, what every release was made from and when, what came before it, who is at
    work now, how many workers serve, and how much memory they may use.
author:
  - The rightsize.webstack authors (!UNKNOWN)
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
options:
  app:
    description: Name of the app.
    type: str
    required: true
  workers:
    description:
      - How many workers should serve. While there are more or fewer, it looks again for up to 5 seconds, because
        gunicorn may be replacing one. The result says what is there in the end.
    type: int
seealso:
  - module: rightsize.webstack.release
"""

EXAMPLES = r"""
- name: Look at the releases
  rightsize.webstack.release_info:
    app: agente
  register: found

- name: Show them
  ansible.builtin.debug:
    msg: "{{ found.table }}"
"""

RETURN = r"""
live:
  description: The release that serves now, if one does.
  returned: always
  type: str
  sample: 20261121T041000Z-1a2b3c4
current:
  description: The release that was activated last and starts at boot.
  returned: always
  type: str
problem:
  description: Why it is not the current release that serves, and the way out. Nothing when all is well.
  returned: always
  type: str
workers:
  description: Worker processes of the live release, out of the process table; V(0) when none serves.
  returned: always
  type: int
  sample: 4
memory_max_mb:
  description: What the kernel lets all releases of the app use together (MiB). Nothing when it sets no limit.
  returned: always
  type: int
  sample: 1208
warm:
  description: Releases that run without new requests, so that going back to them takes no start-up.
  returned: always
  type: list
  elements: str
releases:
  description: All complete releases, oldest first.
  returned: always
  type: list
  elements: dict
  contains:
    id: {description: Name of the release., type: str}
    state: {description: "C(live), C(warm) or C(ready).", type: str}
    made_from: {description: Where its source came from., type: str}
    created: {description: When it was built (UTC)., type: str}
    by: {description: Who built it., type: str}
    previous: {description: The release that a rollback from it goes to., type: str}
unfinished:
  description: Releases whose build was interrupted. The next deploy removes them.
  returned: always
  type: list
  elements: str
history:
  description: The last 50 events, oldest first.
  returned: always
  type: list
  elements: dict
locked_by:
  description: Who is at work on this app now, if anybody.
  returned: always
  type: dict
table:
  description: The releases as lines of text, newest first. A star marks the one that starts at boot.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.rightsize.webstack.plugins.module_utils.release.layout import Layout, check_app_name
from ansible_collections.rightsize.webstack.plugins.module_utils.release.report import describe, table


def main() -> None:
    module = AnsibleModule(
        argument_spec={"app": {"type": "str", "required": True}, "workers": {"type": "int"}},
        supports_check_mode=True,
    )
    try:
        found = describe(Layout(check_app_name(module.params["app"])), module.params["workers"])
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, table=table(found), **found)


if __name__ == "__main__":
    main()
