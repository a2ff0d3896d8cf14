#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan one host and return the plan as facts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sizing_facts
short_description: Divide one host among the apps and services that it carries
version_added: "0.1.0"
author:
  - The rightsize.webstack authors (!UNKNOWN)
description:
  - Computes how many workers, how much memory and how many connections each app and service of a host gets,
    from what M(rightsize.webstack.hardware_facts) read and from what the apps declare.
  - The memory budget always adds up to the host's usable memory, and every number comes with its reason.
  - Changes nothing, and reads nothing from the host unless O(measure) is set. The same input gives the same plan.
attributes:
  check_mode:
    description: Can run in check mode and return the same facts.
    support: full
  diff_mode:
    description: Nothing is changed.
    support: none
options:
  hardware:
    description: The C(hardware) fact of the host to plan for.
    type: dict
    required: true
  apps:
    description:
      - A list with one dictionary for each app on this host, in the form of C(webstack_apps). Keys that planning
        does not need are ignored.
      - C(name) is required and matches C([a-z][a-z0-9_]*).
      - C(workload) is what a request mostly does, one of V(llm), V(io), V(mixed) and V(cpu); V(mixed) by default.
      - C(framework) is one of V(fastapi), V(starlette), V(litestar), V(quart), V(django), V(flask) and V(wsgi);
        V(fastapi) by default. V(django) speaks ASGI when C(entrypoint) ends in C(asgi:application).
      - C(worker_class) is one of V(asgi) and V(uvicorn_worker) for ASGI, of V(gevent), V(gthread) and V(sync) for WSGI.
        By default V(asgi) for ASGI; for WSGI V(gevent) with V(io) and V(llm), V(gthread) with V(mixed), V(sync)
        with V(cpu).
      - C(memory_per_worker_mb) is the memory of one worker in MiB; measured or assumed where it is not declared.
      - C(requests_per_second) with C(seconds_per_request), the load to be prepared for.
      - C(longest_request_seconds) sets the timeouts.
      - C(handover) is V(auto), V(side_by_side) or V(socket); C(keep_warm) V(auto), V(true) or V(false).
      - C(allowed_cpus), the CPUs for the workers as in V(4-7), or V(all); by default the fast ones of a machine with
        fast and slow ones, if they are enough for all workers.
      - C(postgres) and C(mysql), dictionaries, say that the app uses that database.
      - Any number of the plan (V(workers), V(threads), V(timeout), V(pool_size), ...) may be given under its own
        name. The plan takes it as it is and plans the rest around it.
    type: raw
    default: []
  services:
    description:
      - The services on this host. One that is not named gets nothing, and what it would take is the others'.
      - V(metrics) are the exporters of the role C(metrics), the host's and one for each of the others that has one.
    type: list
    elements: str
    choices: [nginx, redis, postgres, mysql, pgbouncer, metrics]
    default: []
  reserves:
    description:
      - What to keep for programs that are not planned here, a dictionary of C(memory_mb) in MiB and C(cpus) in units
        of the fastest CPU.
    type: raw
    default: {}
  overrides:
    description: Numbers to take as they are, a dictionary from dotted path (C(nginx.worker_processes)) to value.
    type: raw
    default: {}
  measure:
    description:
      - Measure the workers of the apps' current releases on this host, and plan with what they use instead of what is
        assumed for their framework. A declared C(memory_per_worker_mb) still counts first.
      - Small differences change nothing. More memory than planned counts at once; less counts when the release has run
        for a day and needs at most three quarters.
      - Reading other users' processes needs root. Set it only where the plan is for the host that the module runs on.
    type: bool
    default: false
  measured:
    description:
      - Memory in MiB that one worker of each app was measured to use, a dictionary by app name. It counts instead of
        what O(measure) would find.
    type: dict
    default: {}
  remote_clients:
    description:
      - Connections that apps on other hosts may open to the databases of this one, a dictionary with C(postgres) and
        C(mysql); the sums of C(connections) in those hosts' plans.
    type: dict
    default: {}
  remote_vector:
    description:
      - Whether apps on other hosts search with pgvector in the PostgreSQL of this one, which then keeps more in memory.
    type: bool
    default: false
  redis_use:
    description:
      - What Redis is for. A V(store) is saved, which can double its memory for the time; a V(cache) is not, and may
        hold more.
    type: str
    default: store
"""

EXAMPLES = r"""
- name: Read the machine
  rightsize.webstack.hardware_facts:

- name: Plan it
  rightsize.webstack.sizing_facts:
    hardware: "{{ ansible_facts.hardware }}"
    apps:
      - name: agente
        workload: llm
        memory_per_worker_mb: 180
    services: [nginx, redis]
    reserves: {memory_mb: 512}
    overrides:
      nginx.worker_processes: 2
"""

RETURN = r"""
ansible_facts:
  description: Facts to add.
  returned: success
  type: dict
  contains:
    sizing:
      description:
        - The plan. C(gunicorn) by app name, one dictionary for each service on the host, C(memory) (the budget, line by
          line, adding up to the usable memory), C(reasons) by dotted path and C(warnings).
      type: dict
      returned: success
      sample:
        gunicorn: {agente: {workers: 4, memory_max_mb: 1496, handover: side_by_side}}
        memory: [{for: operating system, mb: 751}]
        reasons: {gunicorn.agente.keepalive: "75: above nginx's 60 s, so that nginx closes idle connections first"}
table:
  description: The plan and its reasons as the lines of a table for a terminal.
  returned: success
  type: list
  elements: str
  sample: ["gunicorn.agente", "  workers  4  3.85 cores' worth"]
"""

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.types import Hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.release.layout import APP_NAME, Layout
from ansible_collections.rightsize.webstack.plugins.module_utils.release.measure import measure_workers
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.errors import SizingError
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.plan import plan
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.report import table
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.workload import read_workload


def _measure(apps: Any) -> tuple[dict[str, Any], list[str]]:
    """Return what the apps' workers use, by name, and why some of them could not be measured."""
    found: dict[str, Any] = {}
    warnings = []
    # What is wrong with the apps is said by read_workload.
    names = [app.get("name") for app in apps if isinstance(app, dict)] if isinstance(apps, list) else []
    for name in names:
        if not isinstance(name, str) or not APP_NAME.fullmatch(name):
            continue
        memory = measure_workers(Layout(name))
        if memory is not None:
            found[name] = asdict(memory)
            if memory.problem:
                warnings.append(f"{name}: its workers could not be measured: {memory.problem}")
    return found, warnings


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "hardware": {"type": "dict", "required": True},
            # raw: our own messages name the variable's path, Ansible's would not.
            "apps": {"type": "raw", "default": []},
            "services": {
                "type": "list",
                "elements": "str",
                "choices": ["nginx", "redis", "postgres", "mysql", "pgbouncer", "metrics"],
                "default": [],
            },
            "reserves": {"type": "raw", "default": {}},
            "overrides": {"type": "raw", "default": {}},
            "measure": {"type": "bool", "default": False},
            "measured": {"type": "dict", "default": {}},
            "remote_clients": {"type": "dict", "default": {}},
            "redis_use": {"type": "str", "default": "store"},
            "remote_vector": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    options = dict(module.params)
    try:
        hardware = Hardware.from_dict(options.pop("hardware"))
    except (AttributeError, KeyError, TypeError) as error:
        module.fail_json(msg=f"hardware: not what hardware_facts returns ({error!r}); pass ansible_facts.hardware")
    unmeasured: list[str] = []
    if options.pop("measure"):
        found, unmeasured = _measure(options["apps"])
        options["measured"] = {**found, **options["measured"]}
    try:
        sizing = plan(hardware, read_workload(**options)).to_dict()
    except SizingError as error:
        module.fail_json(msg=str(error))
    sizing["warnings"] += unmeasured
    module.exit_json(changed=False, ansible_facts={"sizing": sizing}, table=table(sizing, hardware.to_dict()))


if __name__ == "__main__":
    main()
