#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hardware_facts
short_description: Read what a machine really offers to its services
version_added: 0.1.0
author:
  - The rightsize.webstack authors (!UNKNOWN)
description:
  - Reads processors, memory, storage, limits and board of a machine from C(/proc) and C(/sys), and returns
    them as the fact C(hardware).
  - Counts what services can use. Cores of different speed, hardware threads, affinity, and the quotas,
    CPU sets and memory limits of all control groups above (version 1, 2 and hybrid) are taken into account.
  - The limits are those of the machine or container and of the services' own slice, not those of the login
    session that Ansible works in.
  - What cannot be found out is V(null). What an operator should know is returned in C(hardware.warnings), and shown.
attributes:
  check_mode:
    support: full
    description: O(capture) writes nothing in check mode; RV(ignore:changed) says whether it would.
  diff_mode:
    support: none
    description: Nothing but the captured tree is written.
  facts:
    support: full
    description: Returns the fact C(hardware).
options:
  root:
    description:
      - Read this captured tree instead of the running machine, so that a machine can be planned for before it
        is at hand. Nothing of the running machine gets into the facts then.
      - A tree is what O(capture) writes, or any directory with the C(proc) and C(sys) of another machine.
    type: path
    default: /
  capture:
    description:
      - Write such a tree to this directory, on the host. It must be new, empty, or an older capture.
      - The tree has no serial numbers, MAC addresses or host names in it, and reads back to the same facts.
    type: path
  slice:
    description:
      - The systemd slice whose limits count, for example V(demo.slice).
      - Unless given, those of V(system.slice), where it exists, and of the group that the module itself runs in,
        as far as that is not a login.
    type: str
  directories:
    description: The directories whose file systems are described in C(hardware.storage). They need not exist yet.
    type: list
    elements: path
    default: [/, /srv, /var/lib, /var/lib/postgresql, /var/lib/mysql, /var/lib/redis]
seealso:
  - module: rightsize.webstack.sizing_facts
"""

EXAMPLES = r"""
- name: Read the machine
  rightsize.webstack.hardware_facts:

- name: Read the limits of an app's own slice, and what holds its data
  rightsize.webstack.hardware_facts:
    slice: agente.slice
    directories: [/, /data]

- name: Write the machine down, to plan for it elsewhere
  rightsize.webstack.hardware_facts:
    capture: /var/tmp/orange-pi-5

- name: Plan for a machine that is not at hand
  rightsize.webstack.hardware_facts:
    root: "{{ playbook_dir }}/machines/orange-pi-5"
  delegate_to: localhost
"""

RETURN = r"""
ansible_facts:
  description: The fact C(hardware).
  returned: success
  type: dict
  contains:
    hardware:
      description: The machine.
      type: dict
      returned: success
      contains:
        board:
          description: Names of the board or virtual machine, from the device tree, DMI or C(/proc/cpuinfo).
          type: dict
          returned: success
          contains:
            model: {description: The model., type: str, returned: success, sample: Orange Pi 5 Max}
            vendor: {description: Who makes it., type: str, returned: success, sample: xunlong}
            soc: {description: The system on a chip., type: str, returned: success, sample: "rockchip,rk3588"}
        cpu:
          description: The processors that services can use.
          type: dict
          returned: success
          contains:
            architecture: {description: As C(uname -m) names it., type: str, returned: success, sample: aarch64}
            online: {description: Number of online CPUs., type: int, returned: success, sample: 8}
            usable:
              description: Number of online CPUs that affinity and CPU sets allow.
              type: int
              returned: success
              sample: 8
            physical_cores:
              description: Number of cores, each with one or more hardware threads.
              type: int
              returned: success
              sample: 8
            threads_per_core: {description: The most threads of any core., type: int, returned: success, sample: 1}
            quota:
              description: The tightest CPU quota of all control groups above, in CPUs.
              type: float
              returned: success
              sample: 1.5
            capacity:
              description:
                - The work that all usable CPUs can do at once, in units of the fastest of them, never above the quota.
                - Meant for branchy code with cache misses, as web applications are. Four Cortex-A76 at 2.4 GHz and
                  four Cortex-A55 at 1.8 GHz have 6, not 8.
              type: float
              returned: success
              sample: 6.0
            capacity_source:
              description: What the CPUs' speeds were told from.
              type: str
              returned: success
              sample: part and frequency
            clusters:
              description: CPUs of one speed, fastest first.
              type: list
              elements: dict
              returned: success
              contains:
                name: {description: The core's name., type: str, returned: success, sample: Cortex-A76}
                kind:
                  description: V(big), V(mid) or V(little), or V(uniform) where all CPUs are alike.
                  type: str
                  returned: success
                  sample: big
                cpus: {description: Their numbers., type: list, elements: int, returned: success, sample: [4, 5]}
                capacity:
                  description: The work of one such CPU, in units of the machine's fastest.
                  type: float
                  returned: success
                  sample: 1.0
                max_mhz: {description: The highest clock (MHz)., type: int, returned: success, sample: 2400}
        memory:
          description: Memory, in MiB unless named otherwise.
          type: dict
          returned: success
          contains:
            total_mb: {description: The machine's memory., type: int, returned: success, sample: 15987}
            limit_mb:
              description: The tightest limit of all control groups above, where it is below the total.
              type: int
              returned: success
              sample: 2048
            usable_mb: {description: The smaller of both., type: int, returned: success, sample: 2048}
            swap_mb: {description: "All swap, zram included.", type: int, returned: success, sample: 2048}
            zram_mb:
              description: Compressed memory used as swap. It is no additional memory.
              type: int
              returned: success
              sample: 0
            page_size: {description: The kernel's page size in bytes., type: int, returned: success, sample: 16384}
            thp: {description: The mode of transparent huge pages., type: str, returned: success, sample: madvise}
            huge_page_kb: {description: Size of a huge page in KiB., type: int, returned: success, sample: 2048}
            huge_pages_mb:
              description: Memory set aside for huge pages, which nothing else can use.
              type: int
              returned: success
              sample: 0
        storage:
          description: The file systems that hold O(directories).
          type: list
          elements: dict
          returned: success
          contains:
            mount: {description: Where it is mounted., type: str, returned: success, sample: /}
            device: {description: The block device., type: str, returned: success, sample: /dev/mmcblk0p2}
            kind:
              description: V(nvme), V(ssd), V(hdd), V(emmc), V(sd), V(virtual) or V(network).
              type: str
              returned: success
              sample: emmc
            size_mb: {description: Its size., type: int, returned: success, sample: 59640}
            free_mb: {description: What users can still write., type: int, returned: success, sample: 40321}
        limits:
          description: Limits of processes.
          type: dict
          returned: success
          contains:
            open_files: {description: Hard limit of file descriptors., type: int, returned: success, sample: 1048576}
        virtualization:
          description: Container or virtual machine.
          type: dict
          returned: success
          contains:
            type:
              description: For example V(kvm) or V(podman). Null on bare metal.
              type: str
              returned: success
              sample: kvm
            role: {description: V(host) on bare metal or V(guest)., type: str, returned: success, sample: guest}
        warnings:
          description: What an operator should know, such as throttling at this moment.
          type: list
          elements: str
          returned: success
          sample: ["CPUs 4-7 may run at 1200 MHz only, of 2400"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.capture import collect, write_capture
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.read import read_hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.storage import DATA_DIRECTORIES
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.tree import HardwareError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "capture": {"type": "path"},
            "slice": {"type": "str"},
            "directories": {"type": "list", "elements": "path", "default": list(DATA_DIRECTORIES)},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        if given["capture"]:
            captured = collect(given["root"], given["slice"], given["directories"])
            changed = write_capture(captured, given["capture"], check_mode=module.check_mode)
            hardware = captured.hardware
        else:
            changed = False
            hardware = read_hardware(given["root"], given["slice"], given["directories"])
    except HardwareError as error:
        module.fail_json(msg=str(error))
    for warning in hardware.warnings:
        module.warn(warning)
    module.exit_json(changed=changed, ansible_facts={"hardware": hardware.to_dict()})


if __name__ == "__main__":
    main()
