# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test host's file system looks like, to prove that a run left it as it was.

before = footprint("virgin")
run_playbook("deploy", inventory, check=True)
assert changes(before, footprint("virgin")) == []
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from .playbooks import podman_exec

# Where a deploy writes; package lists are not among them, and the package database shows what is installed.
PLACES = ("/etc", "/srv", "/opt", "/usr/local", "/var/lib/dpkg/status", "/var/cache/webstack")
LOOK = """
import hashlib, json, os, sys
found = {}
def note(path):
    status = os.lstat(path)
    what = os.readlink(path) if os.path.islink(path) else ""
    if os.path.isfile(path) and not what:
        what = hashlib.sha256(open(path, "rb").read()).hexdigest()
    found[path] = "%o %d:%d %s" % (status.st_mode, status.st_uid, status.st_gid, what)
for place in sys.argv[1:]:
    if os.path.lexists(place):
        note(place)
    for folder, folders, files in os.walk(place):
        for name in folders + files:
            note(os.path.join(folder, name))
print(json.dumps(found))
"""


def footprint(host: str) -> dict[str, str]:
    """Return mode, owner and content digest (or link target) of every path that a deploy could touch."""
    found: dict[str, str] = json.loads(podman_exec(host, "python3", "-c", LOOK, *PLACES).stdout)
    return found


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the paths that came, went or differ."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
