# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server's files of data: the dump, and the append-only file that begins with one. And how others take their place.

A server that appends to a file starts from that file alone: with none it is empty, whatever its dump has. So where a
dump is to be the data, it becomes the file's first part, which since Redis 7 has the dump's own format.
"""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from ..files import sync_directory, write_atomically

DUMP = "dump.rdb"
APPEND_FOLDER = "appendonlydir"
APPEND_FILE = "appendonly.aof"
#: Where a restore keeps what was there before it, below the server's data.
ASIDE = "before-restore"
#: What a restore brings; with the list of it, it is taking the place of what is there.
FRESH = ".restore"
_LIST = "brings"


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


def make_fresh(dump: Path, data: Path, appends: bool, user: str) -> None:
    """Copy a backup beside a server's data, in the form in which it starts with it."""
    fresh = data / FRESH
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    shutil.copyfile(dump, fresh / DUMP)
    (fresh / DUMP).chmod(0o600)
    if appends:
        begin_with(fresh / DUMP, fresh, user)
    own(fresh, user)


def change_places(data: Path) -> None:
    """Put what is fresh in the place of what a stopped server has, and that aside. Cut off, ``mend`` takes it back."""
    fresh, aside = data / FRESH, data / ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    names = [name for name in (DUMP, APPEND_FOLDER) if (fresh / name).exists()]
    write_atomically(fresh / _LIST, "".join(f"{name}\n" for name in names), 0o600)
    for name in (DUMP, APPEND_FOLDER):
        if (data / name).exists():
            (data / name).replace(aside / name)
    for name in names:
        (fresh / name).replace(data / name)
    sync_directory(data)


def settle(data: Path) -> None:
    """Take what has changed places as it is now. From here on ``mend`` has nothing to do."""
    (data / FRESH / _LIST).unlink(missing_ok=True)
    shutil.rmtree(data / FRESH, ignore_errors=True)


def mend(data: Path) -> bool:
    """Give a stopped server back what it had before a restore that was cut off; say whether there was one."""
    fresh, aside = data / FRESH, data / ASIDE
    if not (fresh / _LIST).exists():
        shutil.rmtree(fresh, ignore_errors=True)
        return False
    for name in (fresh / _LIST).read_text(encoding="utf-8").split():
        # What was brought and is not fresh any more has come to the server.
        if not (fresh / name).exists() and (data / name).exists():
            (data / name).replace(fresh / name)
    for name in (DUMP, APPEND_FOLDER):
        if (aside / name).exists():
            (aside / name).replace(data / name)
    sync_directory(data)
    settle(data)
    return True


def _sync(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
