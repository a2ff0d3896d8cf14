#!/usr/bin/python
# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release
short_description: Build, activate and roll back releases of a Python web application
version_added: 0.1.0
description:
  - A release is a directory below C(/srv/APP/releases) and an instance of the systemd unit C(APP@.service), both named
    by when it was made and what is in it. It is built once and never changed.
  - O(state=active) makes one live, either the one that O(release) names or one built from O(source) or, with
    O(reuse_source), from the code that is live. O(state=rolled_back) makes the one live that the current release
    replaced. Going forward and going back are the same operation.
  - A release is started beside the one that serves and asked on a socket of its own until it answers as declared.
    Then the socket that nginx names is renamed, and O(checks), which are kept with the release, are made through nginx.
    When anything fails, what served before serves again, and the message says why, with the last lines of the journal.
  - A lock that dies with its holder keeps two runs for one app apart.
author:
  - The rightsize.webstack authors (!UNKNOWN)
extends_documentation_fragment: [rightsize.webstack.checks]
attributes:
  check_mode:
    description: Says what would be built or activated.
    support: full
  diff_mode:
    description: Shows what distinguishes the new release from the current one. Of secrets only keyed fingerprints.
    support: full
options:
  app:
    description: Name of the app. It names the unit, the slice, the user and the directories.
    type: str
    required: true
  state:
    description: What to do.
    type: str
    choices: [active, rolled_back]
    required: true
  release:
    description:
      - The release to activate, with O(state=active). Without it one is built, unless an equal one is live.
      - The release to go back to, with O(state=rolled_back), or the version that it was made from (C(v1.4.0)).
        By default the one that the current release replaced.
    type: str
  kind:
    description: What to call an activation in the history.
    type: str
    choices: [deploy, reload]
    default: deploy
  source:
    description: The source to build from, as M(rightsize.webstack.release_source) returns it.
    type: dict
    suboptions:
      digest: {description: Name of the content., type: str, required: true}
      label: {description: Where it came from for people., type: str, required: true}
      archive: {description: Path of the packed source on this host., type: path}
      requirement: {description: The package to install instead of or out of the archive., type: str}
  reuse_source:
    description: Build from the code of the current release, for a release that changes only configuration.
    type: bool
    default: false
  config:
    description: Text of gunicorn.conf.py. Needed to build.
    type: str
  environment:
    description: Environment variables of the app.
    type: dict
    default: {}
  secrets:
    description: Environment variables that nobody may see. They reach the app through a file that only root can read.
    type: dict
    default: {}
  server_requirements:
    description: Exact requirements of gunicorn and the worker class, installed beside the app's dependencies.
    type: list
    elements: str
    default: []
  dependencies:
    description: Requirements file inside the source. By default C(uv.lock), C(requirements.txt) or C(pyproject.toml).
    type: str
  installer:
    description: What builds the virtualenv.
    type: str
    choices: [uv, pip]
    default: uv
  uv_version:
    description: Version of uv to build with. It is installed below C(/opt/webstack) when the first release needs it.
    type: str
    default: 0.13.8
  python:
    description: Interpreter that the virtualenv is made from, 3.10 or newer.
    type: path
    default: /usr/bin/python3
  build_environment:
    description: Environment variables for installing, as those of a package index. No secrets, they show in argv.
    type: dict
    default: {}
  settings:
    description:
      - How the release is run and handed over, kept with it.
      - Keys are C(health) (C(path), C(status), C(timeout), C(host)), C(warmup) (paths), C(warmup_requests),
        C(check_url), C(check_connect_to), C(migrate) (list of C(run) and C(undo)), C(keep_warm), C(drain_seconds),
        C(start_timeout) and C(unit).
    type: dict
    default: {}
  keep:
    description: How many releases to keep, the current one included. What runs and what is newer is kept besides.
    type: int
    default: 5
  force:
    description: Build a new release even when an equal one is current.
    type: bool
    default: false
  skip_checks:
    description: Make no checks through nginx after the switch.
    type: bool
    default: false
  by:
    description: Who asks for it, for the history and for whoever finds the lock taken.
    type: str
    default: unknown
  lock_timeout:
    description: Seconds to wait for another run on the same app before giving up.
    type: float
    default: 10
seealso:
  - module: rightsize.webstack.release_source
  - module: rightsize.webstack.release_info
  - module: rightsize.webstack.endpoint_probe
"""

EXAMPLES = r"""
- name: Release new code
  rightsize.webstack.release:
    app: agente
    state: active
    source:
      digest: 3f6c0f0f2f4b8a11
      label: agente v1.4.0
      archive: /srv/agente/incoming/3f6c0f0f2f4b8a11.tar.gz
    config: "{{ lookup('ansible.builtin.template', 'gunicorn.conf.py.j2') }}"
    server_requirements: [gunicorn==27.0.1]

- name: Go back to the release before it
  rightsize.webstack.release:
    app: agente
    state: rolled_back
"""

RETURN = r"""
release:
  description: The release that is live now. Empty in check mode when it would have to be built.
  returned: success
  type: str
  sample: 20261121T041000Z-1a2b3c4
previous:
  description: What was live before.
  returned: success
  type: str
  sample: 20261120T171503Z-9f8e7d6
steps:
  description: What was done and the seconds that it took, in order.
  returned: success
  type: list
  elements: list
  sample: [[start, 0.31], [health, 0.62], [switch, 0.0]]
pruned:
  description: Old releases that were removed.
  returned: when something was activated
  type: list
  elements: str
left_behind:
  description: What could not be taken back by a rollback.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.options import CHECK_OPTIONS
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.parse import parse_checks, parse_target
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.report import failure_message
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.runner import run_checks
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.types import ProbeError
from ansible_collections.rightsize.webstack.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.rightsize.webstack.plugins.module_utils.release.operations import run
from ansible_collections.rightsize.webstack.plugins.module_utils.release.state import Release


def fresh(check: dict[str, Any]) -> dict[str, Any]:
    """Let nginx open a connection for a check: one that it kept would be answered by the release before."""
    return {**check, "headers": {**(check.get("headers") or {}), "X-Webstack-Fresh": "1"}}


def ask_through_proxy(release: Release) -> list[str]:
    """Return the declared checks that don't hold when the app is asked the way that its users ask."""
    settings = release.settings
    if not settings.check_url:
        return []
    health = {"name": "health", "path": settings.health.path, "status": settings.health.status}
    try:
        checks = parse_checks([fresh(check) for check in (health, *settings.checks)])
        target = parse_target(settings.check_url, settings.check_connect_to, validate_certs=False)
        results = run_checks(target, checks)
    except ProbeError as error:
        return [str(error)]
    failed = [result for result in results if result.failed]
    return failure_message(target, failed).splitlines() if failed else []


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "state": {"type": "str", "required": True, "choices": ["active", "rolled_back"]},
            "release": {"type": "str"},
            "kind": {"type": "str", "choices": ["deploy", "reload"], "default": "deploy"},
            "source": {
                "type": "dict",
                "options": {
                    "digest": {"type": "str", "required": True},
                    "label": {"type": "str", "required": True},
                    "archive": {"type": "path"},
                    "requirement": {"type": "str"},
                },
            },
            "reuse_source": {"type": "bool", "default": False},
            "config": {"type": "str"},
            "environment": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "server_requirements": {"type": "list", "elements": "str", "default": []},
            "dependencies": {"type": "str"},
            "installer": {"type": "str", "choices": ["uv", "pip"], "default": "uv"},
            "uv_version": {"type": "str", "default": "0.13.8"},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "build_environment": {"type": "dict", "default": {}},
            "settings": {"type": "dict", "default": {}},
            "checks": {"type": "list", "elements": "dict", "default": [], "options": CHECK_OPTIONS},
            "keep": {"type": "int", "default": 5},
            "force": {"type": "bool", "default": False},
            "skip_checks": {"type": "bool", "default": False},
            "by": {"type": "str", "default": "unknown"},
            "lock_timeout": {"type": "float", "default": 10},
        },
        required_if=[("state", "active", ("release", "config"), True)],
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode, ask_through_proxy)
    except ReleaseError as error:
        module.fail_json(msg=str(error))
    for warning in result.get("left_behind", ()):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
