# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command webstack-mysql on a host: what its timer runs, and what can be done there without Ansible."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ..store.errors import StoreError
from .backup import Store, listed, restore, take
from .connection import Login


def main(config: Path, arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. ``config`` is a JSON file: folder, keep, databases, login."""
    options = json.loads(config.read_text(encoding="utf-8"))
    store = Store(Path(options["folder"]), Login(**options["login"]), tuple(options["databases"]))
    parser = argparse.ArgumentParser(prog="webstack-mysql", description=f"Backups of databases in {store.folder}.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("backup", help="take a backup now, and prove it")
    commands.add_parser("list", help="show the backups, newest first")
    put_back = commands.add_parser("restore", help="put a backup in the place of what the server has")
    put_back.add_argument("name", help="a name that list shows, or latest")
    put_back.add_argument("--database", help="only this one of its databases")
    put_back.add_argument("--to", help="restore it beside, under this name")
    given = parser.parse_args(arguments)
    try:
        if given.command == "list":
            found = listed(store.folder)
        elif given.command == "restore":
            found = [restore(store, given.name, given.database, given.to)]
        else:
            found = [take(store, int(options["keep"]))]
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for backup in found:
        names = ", ".join(backup.manifest["databases"]) or "no database"
        sys.stdout.write(f"{backup.path}  {backup.bytes} bytes  {names}\n")
    return 0
