# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports at which this host must stay reachable over SSH."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

USUAL = 22


def ssh_ports(proc: Path = Path("/proc"), process: int | None = None) -> set[int]:
    """Return the ports that sshd is configured for, and the one that this very login came through; 22 without any."""
    found = _configured() | _of_login(proc, os.getpid() if process is None else process)
    return found or {USUAL}


def _configured() -> set[int]:
    for program in ("/usr/sbin/sshd", "/usr/local/sbin/sshd"):
        try:
            done = subprocess.run([program, "-T"], capture_output=True, text=True, check=False)
        except OSError:
            continue
        return ports_of(done.stdout)
    return set()


def ports_of(settings: str) -> set[int]:
    """Return the ports in what ``sshd -T`` prints."""
    return {int(port) for port in re.findall(r"^port ([0-9]{1,5})$", settings, re.M)}


def _of_login(proc: Path, process: int) -> set[int]:
    """Look through the environments of our ancestors: sudo has taken SSH_CONNECTION out of our own."""
    for _unused in range(64):
        try:
            environment = (proc / str(process) / "environ").read_bytes()
            status = (proc / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return set()
        # The client's address and port, the server's address and port.
        match = re.search(rb"(?:^|\0)SSH_CONNECTION=\S+ \d+ \S+ (\d{1,5})(?:\0|$)", environment)
        if match:
            return {int(match[1])}
        process = int(status.rpartition(")")[2].split()[1])
    return set()
