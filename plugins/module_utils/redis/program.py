# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command webstack-redis on a host: what its timer runs, and what can be done there without Ansible."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ..store.errors import StoreError
from .backup import listed, restore, take
from .server import Server


def main(config: Path, arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. ``config`` is a JSON file with the server's paths, folder and keep."""
    options = json.loads(config.read_text(encoding="utf-8"))
    server, folder = Server.of(options["server"]), Path(options["folder"])
    parser = argparse.ArgumentParser(prog="webstack-redis", description=f"Backups of {server.unit} in {folder}.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("backup", help="take a backup now, and check it")
    commands.add_parser("list", help="show the backups, newest first")
    put_back = commands.add_parser("restore", help="put a backup in the place of what the server has")
    put_back.add_argument("name", help="a name that list shows, or latest")
    given = parser.parse_args(arguments)
    try:
        if given.command == "list":
            found = listed(folder)
        elif given.command == "restore":
            found = [restore(server, folder, given.name)]
        else:
            found = [take(server, folder, int(options["keep"]))]
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for backup in found:
        keys = "" if backup.keys is None else f"  {backup.keys} keys"
        sys.stdout.write(f"{backup.path}  {backup.bytes} bytes{keys}\n")
    return 0
