# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server's files of data: the dump, and the append-only file that begins with one.

A server that appends to a file starts from that file alone: with none it is empty, whatever its dump has. So where a
dump is to be the data, it becomes the file's first part, which since Redis 7 has the dump's own format.
"""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

DUMP = "dump.rdb"
APPEND_FOLDER = "appendonlydir"
APPEND_FILE = "appendonly.aof"


def adopt_dump(data: Path, user: str) -> bool:
    """Let a stopped server that is going to append start from its dump, if it has no append-only file yet."""
    dump, manifest = data / DUMP, data / APPEND_FOLDER / f"{APPEND_FILE}.manifest"
    if manifest.exists() or not dump.exists():
        return False
    begin_with(dump, data, user)
    return True


def begin_with(dump: Path, data: Path, user: str) -> None:
    """Make a dump the append-only file of a stopped server that has none."""
    folder = data / APPEND_FOLDER
    folder.mkdir(mode=0o750, exist_ok=True)
    base = folder / f"{APPEND_FILE}.1.base.rdb"
    shutil.copyfile(dump, base)
    base.chmod(0o600)
    _sync(base)
    # Last, because without it the server does not look at the rest.
    manifest = folder / f"{APPEND_FILE}.manifest"
    part = folder / f".{APPEND_FILE}.manifest.part"
    part.write_text(f"file {base.name} seq 1 type b\n", encoding="ascii")
    _sync(part)
    part.replace(manifest)
    own(data, user)


def own(data: Path, user: str) -> None:
    """Give the files of data to the server's user."""
    account = pwd.getpwnam(user)
    for path in (data / DUMP, data / APPEND_FOLDER, *(data / APPEND_FOLDER).glob("*")):
        if path.exists():
            os.chown(path, account.pw_uid, account.pw_gid)


def _sync(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
