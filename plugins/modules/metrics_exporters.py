#!/usr/bin/python
# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: metrics_exporters
short_description: Run Prometheus exporters, and see that what they watch answers them
version_added: 0.1.0
description:
  - Writes the files of each exporter (drop-ins of Debian's units, mostly), runs those that are wanted, now and at boot,
    and stops and removes the others.
  - One whose process was started with other files is restarted, whoever changed them and whenever.
  - Then each is asked for its metrics. One that does not answer, or that does not reach what it watches, is an error.
author:
  - The rightsize.webstack authors (!UNKNOWN)
attributes:
  check_mode:
    description: It says what differs and what does not answer.
    support: full
  diff_mode:
    description: It shows the files.
    support: full
options:
  exporters:
    description: All that this may run or remove.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What to call it.
        type: str
        required: true
      unit:
        description: Its systemd unit.
        type: str
        required: true
      wanted:
        description: Whether it is to run here.
        type: bool
        default: true
      files:
        description: Its files, which are removed when it is not wanted.
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description: Where it is.
            type: path
            required: true
          content:
            description: Its text. C(@DIGEST@) becomes a digest of all of them.
            type: str
            required: true
          mode:
            description: Its mode, octal.
            type: str
            default: "0644"
      leaves:
        description: Files that it makes itself, which are removed with it.
        type: list
        elements: path
        default: []
      socket:
        description: Unix socket of the server that it watches.
        type: path
      url:
        description: Where its metrics are.
        type: str
      up:
        description: Metric that is there and not 0 when all is well.
        type: str
  rules:
    description: Text for nft about who may ask, with C(@DIGEST@) in the comment of its table; without it, everybody who
      reaches the addresses.
    type: str
    default: ""
  start:
    description: Whether to do all. Otherwise files are written and nothing else, so that a package that is installed
      next starts its exporter with them.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Watch the host
  rightsize.webstack.metrics_exporters:
    exporters:
      - name: node
        unit: prometheus-node-exporter.service
        url: http://127.0.0.1:9100/metrics
        up: node_memory_MemTotal_bytes
        files:
          - path: /etc/systemd/system/prometheus-node-exporter.service.d/webstack.conf
            content: |
              [Service]
              ExecStart=
              ExecStart=@/usr/bin/prometheus-node-exporter webstack-metrics-@DIGEST@ --web.listen-address=127.0.0.1:9100
"""

RETURN = r"""
differences:
  description: What was not as wanted, in words.
  returned: success
  type: list
  elements: str
leaving:
  description: Names of exporters that are here and not wanted.
  returned: success
  type: list
  elements: str
reachable:
  description: Names of exporters whose server has its socket here.
  returned: success
  type: list
  elements: str
values:
  description: The value of O(exporters[].up) by name, null where there is none.
  returned: success
  type: dict
  sample: {redis: 1.0, postgres: 1.0}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.metrics.errors import MetricsError
from ansible_collections.rightsize.webstack.plugins.module_utils.metrics.exporters import Exporter, bring_about


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "exporters": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "unit": {"type": "str", "required": True},
                    "wanted": {"type": "bool", "default": True},
                    "files": {
                        "type": "list",
                        "elements": "dict",
                        "required": True,
                        "options": {
                            "path": {"type": "path", "required": True},
                            "content": {"type": "str", "required": True},
                            "mode": {"type": "str", "default": "0644"},
                        },
                    },
                    "leaves": {"type": "list", "elements": "path", "default": []},
                    "socket": {"type": "path"},
                    "url": {"type": "str"},
                    "up": {"type": "str"},
                },
            },
            "rules": {"type": "str", "default": ""},
            "start": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    options = module.params
    exporters = [Exporter.of(entry) for entry in options["exporters"]]
    try:
        result = bring_about(exporters, options["rules"], options["start"], module.check_mode)
    except MetricsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
