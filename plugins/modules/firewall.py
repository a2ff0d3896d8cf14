#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let in what is listed, and SSH."""

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall
short_description: Let in what is listed, and SSH
version_added: "0.1.0"
author:
  - The rightsize.webstack authors (!UNKNOWN)
description:
  - Keeps one nftables table, C(inet webstack). What arrives at this host is refused unless it is listed in O(open), an
    answer to something that the host asked, ICMP, an address from DHCP, or SSH. What the host sends or forwards is
    left alone, and so are all other tables.
  - The ports of SSH are found out, namely those of the server's configuration and the one that this login came through.
  - New rules are checked by the kernel before anything is changed, then loaded for O(confirm_seconds) only. Unless the
    module is called again with O(confirm) over a new connection, they are taken back. The role
    P(rightsize.webstack.firewall#role) does that.
attributes:
  check_mode:
    description: The kernel checks the rules, if nftables is installed; nothing is changed.
    support: full
  diff_mode:
    description: Shows the files, and whether the rules are loaded.
    support: full
options:
  state:
    description: V(absent) removes the table and its files.
    type: str
    choices: [present, absent]
    default: present
  open:
    description: What else is let in.
    type: list
    elements: dict
    default: []
    suboptions:
      port: {description: "A port, or a range as in V(6000-6010).", type: str, required: true}
      protocol: {description: Its protocol., type: str, choices: [tcp, udp], default: tcp}
      from:
        description: Addresses, networks or names (looked up once) of those who may; everybody when left out.
        type: list
        elements: str
        default: []
      purpose: {description: A remark for those who read the rules., type: str, default: ""}
  ssh_ports:
    description: Ports of SSH besides those that are found out.
    type: list
    elements: int
    default: []
  trusted_interfaces:
    description: Network interfaces, such as V(wg0) or V(podman*), on which everything is let in.
    type: list
    elements: str
    default: []
  confirm:
    description: Keep the rules that the call before has loaded.
    type: bool
    default: false
  confirm_seconds:
    description: For how long new rules hold without being confirmed.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Close what is not the site's
  rightsize.webstack.firewall:
    open:
      - {port: 80}
      - {port: 443}
      - {port: 9100, from: [192.168.1.0/24], purpose: metrics}
  register: proposed

- name: See that a new login is possible
  ansible.builtin.wait_for_connection:
    timeout: 30
  when: proposed.pending

- name: Keep the rules
  rightsize.webstack.firewall:
    confirm: true
  when: proposed.pending
"""

RETURN = r"""
pending:
  description: Whether the rules were loaded and wait to be confirmed.
  returned: when O(confirm) is not set
  type: bool
rules:
  description: The rules, as a file for nft.
  returned: when O(state) is present and O(confirm) is not set
  type: str
"""

import socket

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.firewall.live import confirm, propose, remove
from ansible_collections.rightsize.webstack.plugins.module_utils.firewall.rules import (
    FirewallError,
    read_openings,
    ruleset,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.firewall.ssh import ssh_ports


def _resolve(name: str) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    except OSError:
        return []


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "open": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "port": {"type": "str", "required": True},
                    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
                    "from": {"type": "list", "elements": "str", "default": []},
                    "purpose": {"type": "str", "default": ""},
                },
            },
            "ssh_ports": {"type": "list", "elements": "int", "default": []},
            "trusted_interfaces": {"type": "list", "elements": "str", "default": []},
            "confirm": {"type": "bool", "default": False},
            "confirm_seconds": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        if given["confirm"]:
            if not module.check_mode:
                confirm()
            module.exit_json(changed=True)
        if given["state"] == "absent":
            done = remove(module.check_mode)
            module.exit_json(changed=done.changed, diff=done.diff, pending=False)
        openings = read_openings(given["open"], "open", _resolve)
        text = ruleset(openings, {*ssh_ports(), *given["ssh_ports"]}, given["trusted_interfaces"])
        done = propose(text, given["confirm_seconds"], module.check_mode)
    except FirewallError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=done.changed, diff=done.diff, pending=done.pending, rules=text)


if __name__ == "__main__":
    main()
