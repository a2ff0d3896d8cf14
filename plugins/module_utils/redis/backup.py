# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take backups of a server's data, and put one in the place of what it has.

A backup is a dump that the server itself wrote, that was read through afterwards, and whose checksum lies beside it, in
the form that ``sha256sum --check`` reads. What is not whole has another name, and the next backup removes it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ..files import digest_of, sync_directory
from ..store.lock import alone
from .client import Client, flag, wait_until_ready
from .data import DUMP, change_places, make_fresh, mend, settle
from .errors import RedisError, ReplyError
from .server import Server, systemctl, unit

#: Seconds that a save, and loading what was restored, may take.
SAVE_SECONDS = 3600.0
LOAD_SECONDS = 3600.0
#: Free space beyond the size expected, so that what else writes there does not stop.
SPARE_FRACTION, SPARE_BYTES = 0.1, 16 << 20
_NAME = re.compile(r"[a-z]+-\d{8}T\d{6}Z\.rdb")


@dataclass(frozen=True)
class Backup:
    """One whole backup: ``keys`` are as many as the check read, ``None`` where it was not asked."""

    path: Path
    bytes: int
    sha256: str
    keys: int | None = None

    def to_dict(self) -> dict[str, object]:
        return {
            "name": self.path.name,
            "path": str(self.path),
            "bytes": self.bytes,
            "sha256": self.sha256,
            "keys": self.keys,
        }


def listed(folder: Path) -> list[Backup]:
    """Return the whole backups, newest first."""
    found = []
    for path in sorted(folder.glob("*.rdb"), reverse=True):
        digest = _written_digest(path)
        if _NAME.fullmatch(path.name) and digest:
            found.append(Backup(path, path.stat().st_size, digest))
    return found


def take(server: Server, folder: Path, keep: int, now: datetime | None = None) -> Backup:
    """Let the server save, copy and check the dump, and remove all but the ``keep`` newest backups.

    Raises ``RedisError``; the backups that were there still are then.
    """
    with alone(folder):
        for left in (*folder.glob(".*.part"), *folder.glob("*.rdb.sha256")):
            if left.name.endswith(".part") or not left.with_suffix("").exists():
                left.unlink()
        with server.connect() as client:
            _see_that_it_fits(client, server.data, folder)
            _save(client, server)
        made = (now or datetime.now(timezone.utc)).strftime("%Y%m%dT%H%M%SZ")
        backup = _copy(server, folder / f"{server.user}-{made}.rdb")
        for old in listed(folder)[max(1, keep) :]:
            old.path.unlink()
            old.path.with_name(f"{old.path.name}.sha256").unlink()
        return backup


def _see_that_it_fits(client: Client, data: Path, folder: Path) -> None:
    """Refuse early: a save that fills the disk would also stop a server that appends to its file there."""
    info = client.info("persistence")
    dump = data / DUMP
    expected = int(info.get("aof_current_size", 0)) or (dump.stat().st_size if dump.exists() else 0)
    places = (data, folder)
    twice = 2 if data.stat().st_dev == folder.stat().st_dev else 1
    needed = int(expected * twice * (1 + SPARE_FRACTION)) + SPARE_BYTES
    for place in places:
        free = shutil.disk_usage(place).free
        if free < needed:
            raise RedisError(
                f"no backup was made: {place} has {free >> 20} MB left, and a save of about {expected >> 20} MB needs "
                f"{needed >> 20} MB with something to spare; free space there (df -h {place}), or keep fewer backups"
            )


def _save(client: Client, server: Server) -> None:
    """Let the server save in the background and wait for it."""
    end = time.monotonic() + SAVE_SECONDS
    before = _wait_until_idle(client, end).get("rdb_saves")
    while True:
        try:
            client.call("BGSAVE", "SCHEDULE")
            break
        except ReplyError as error:  # somebody else's has just begun
            if "in progress" not in str(error) or time.monotonic() > end:
                raise RedisError(f"no backup was made: the server would not save: {error}") from error
            before = _wait_until_idle(client, end).get("rdb_saves")
    info = _wait_until_idle(client, end)
    unsaved = before is not None and info.get("rdb_saves") == before
    if info.get("rdb_last_bgsave_status") != "ok" or unsaved:
        free = shutil.disk_usage(server.data).free
        raise RedisError(
            f"no backup was made: the server could not save to {server.data}, which has {free >> 20} MB left; its "
            f"log and journalctl --unit {server.unit} say why"
        )


def _wait_until_idle(client: Client, end: float) -> dict[str, str]:
    while True:
        info = client.info("persistence")
        if not any(flag(info, name) for name in ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "loading")):
            return info
        if time.monotonic() > end:
            raise RedisError("no backup was made: the server has been busy saving or loading for too long")
        time.sleep(0.1)


def _copy(server: Server, path: Path) -> Backup:
    part = path.with_name(f".{path.name}.part")
    try:
        # Opened once: the server replaces its dump when it saves again, and never writes into it.
        with (server.data / DUMP).open("rb") as source, part.open("xb") as copy:
            part.chmod(0o600)
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        keys = check(server, part)
        digest = digest_of(part)
        beside = path.with_name(f"{path.name}.sha256")
        beside.write_text(f"{digest}  {path.name}\n", encoding="ascii")
        beside.chmod(0o600)
        part.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RedisError(f"no backup was made: {path} could not be written: {error.strerror}") from error
    except RedisError:
        part.unlink(missing_ok=True)
        raise
    return Backup(path, path.stat().st_size, digest, keys)


def check(server: Server, dump: Path) -> int:
    """Read a dump through and return its number of keys. Raises ``RedisError`` when it is damaged."""
    done = subprocess.run(
        [str(server.checker), str(dump)], capture_output=True, text=True, errors="replace", check=False
    )
    lines = done.stdout.splitlines() + done.stderr.splitlines()
    keys = next((match for match in (re.search(r"(\d+) keys read", line) for line in lines) if match), None)
    if done.returncode or keys is None:
        raise RedisError(f"{dump} is damaged, says {server.checker.name}", tuple(lines[-6:]))
    return int(keys[1])


def find(folder: Path, name: str) -> Backup:
    """Return the backup of that name, or the latest. Raises ``RedisError`` naming those that are there."""
    there = listed(folder)
    found = there[:1] if name == "latest" else [backup for backup in there if backup.path.name == Path(name).name]
    if not found:
        known = ", ".join(backup.path.name for backup in there) or "none"
        raise RedisError(f"nothing was changed: there is no backup {name} in {folder}; there are: {known}")
    return found[0]


def restore(server: Server, folder: Path, name: str, check_mode: bool = False) -> Backup:
    """Put a backup in the place of the server's data; what was there is kept beside it.

    Nothing is touched before the backup was read through. When the server does not start with it, what was there
    before is put back. Raises ``RedisError``.
    """
    with alone(folder):
        backup = find(folder, name)
        if digest_of(backup.path) != backup.sha256:
            raise RedisError(f"nothing was changed: {backup.path} is damaged: its checksum is not the one beside it")
        try:
            keys = check(server, backup.path)
        except RedisError as error:
            raise RedisError(f"nothing was changed: {error.args[0]}", error.lines) from error
        found = Backup(backup.path, backup.bytes, backup.sha256, keys)
        if not check_mode:
            with alone(server.data):
                _replace_data(server, found)
        return found


def _replace_data(server: Server, backup: Backup) -> None:
    appends = re.search(r"^appendonly\s+yes\s*$", server.config.read_text(encoding="utf-8"), re.MULTILINE) is not None
    free, needed = shutil.disk_usage(server.data).free, backup.bytes * (2 if appends else 1) + SPARE_BYTES
    if free < needed:
        raise RedisError(
            f"nothing was changed: {server.data} has {free >> 20} MB left, and {needed >> 20} MB are needed"
        )
    if not unit(server.unit).running:
        mend(server.data)
    make_fresh(backup.path, server.data, appends, server.user)
    systemctl("stop", server.unit)
    try:
        change_places(server.data)
        systemctl("start", server.unit)
        with wait_until_ready(server.connect, LOAD_SECONDS) as client:
            _see_that_all_came(client, backup)
    except (RedisError, OSError) as error:
        systemctl("stop", server.unit, check=False)
        mend(server.data)
        systemctl("start", server.unit, check=False)
        state = "runs" if unit(server.unit).active == "active" else "does not run"
        raise RedisError(
            f"{backup.path.name} was not restored: {error.args[0] if isinstance(error, RedisError) else error}; what "
            f"was there before is back, and the server {state}"
        ) from error
    settle(server.data)


def _see_that_all_came(client: Client, backup: Backup) -> None:
    info = client.info("persistence")
    loaded = [info.get(f"rdb_last_load_keys_{what}") for what in ("loaded", "expired")]
    if None not in loaded and sum(int(count or 0) for count in loaded) != backup.keys:
        raise RedisError(
            f"the server loaded {loaded[0]} keys, {loaded[1]} had expired, and the backup has {backup.keys}"
        )


def _written_digest(path: Path) -> str | None:
    try:
        words = path.with_name(f"{path.name}.sha256").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return words[0] if words else None
