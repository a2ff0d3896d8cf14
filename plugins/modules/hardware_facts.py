#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hardware_facts
short_description: Read what a machine offers to its services
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.read import read_hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.tree import HardwareError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "slice": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        hardware = read_hardware(module.params["root"], module.params["slice"])
    except HardwareError as error:
        module.fail_json(msg=str(error))
    for warning in hardware.warnings:
        module.warn(warning)
    module.exit_json(changed=False, ansible_facts={"hardware": hardware.to_dict()})


if __name__ == "__main__":
    main()
