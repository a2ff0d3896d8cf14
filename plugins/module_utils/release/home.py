# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host must have before its first release: the app's users, its directories and its units.

One pass over all of it, because a host that has it already should cost a deploy one call.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from ..files import write_atomically
from .errors import ReleaseError
from .layout import Layout, replace_symlink
from .python_env import BUILD_USER
from .systemd import systemctl

NOBODYS_SHELL = "/usr/sbin/nologin"


@dataclass(frozen=True)
class Home:
    """What is wanted: the unit files by name, those that must not be there, and who may reach the app's socket."""

    layout: Layout
    units: Mapping[str, str]
    absent_units: Collection[str] = ()
    group: str = "www-data"
    etc: Path = Path("/etc")

    @property
    def users_file(self) -> Path:
        return self.etc / "sysusers.d" / f"webstack-{self.layout.app}.conf"

    @property
    def unit_directory(self) -> Path:
        return self.etc / "systemd" / "system"

    @property
    def boot_link(self) -> Path:
        return self.unit_directory / "multi-user.target.wants" / f"{self.layout.app}.service"


@dataclass
class Prepared:
    """What was changed, or would be, as Ansible shows differences: one mapping a file."""

    dry: bool
    diff: list[dict[str, str]] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.diff)

    def note(self, path: Path, before: str, after: str, change: Callable[[], object]) -> None:
        """Note one difference, and make the change unless this is a dry run."""
        if before == after:
            return
        self.diff.append({"before_header": str(path), "after_header": str(path), "before": before, "after": after})
        if not self.dry:
            change()


def prepare(home: Home, dry: bool, create_users: Callable[[Path], None] | None = None) -> Prepared:
    """Give the host what the app's releases need; raises ``ReleaseError`` before anything is changed.

    ``create_users`` makes the users that a file of sysusers.d declares (by default systemd-sysusers does).
    """
    _check_group(home.group)
    done = Prepared(dry)
    _users(home, done, create_users or _systemd_sysusers)
    _directory(done, home.layout.home, "root", "root", 0o755)
    _directory(done, home.layout.incoming, "root", "root", 0o700)
    _directory(done, home.layout.shared, home.layout.app, home.group, 0o750)
    before = len(done.diff)
    for name, text in home.units.items():
        _file(done, home.unit_directory / name, text)
    for name in home.absent_units:
        _gone(done, home.unit_directory / name)
    units_changed = len(done.diff) > before
    _link(done, home.boot_link, f"../{home.layout.app}.service")
    # When a run ends before this, the next activation sees it and makes up for it.
    if units_changed and not dry:
        systemctl("daemon-reload")
    return done


def archives(layout: Layout) -> list[str]:
    """Return the paths of the packed sources that were sent to this host; none before its first deploy."""
    return sorted(str(path) for path in layout.incoming.glob("*.tar.gz"))


def users_text(app: str) -> str:
    """Declare the user that runs an app's releases and the one that builds those of all apps (sysusers.d)."""
    return (
        f'u {app} - "runs the releases of {app}" /srv/{app} {NOBODYS_SHELL}\n'
        f'u {BUILD_USER} - "builds releases" /var/cache/webstack {NOBODYS_SHELL}\n'
    )


def _check_group(group: str) -> None:
    try:
        grp.getgrnam(group)
    except KeyError:
        raise ReleaseError(
            f"group {group!r} does not exist on this host, so nginx could not be let in to the app's socket; "
            "name the group that nginx runs as in gunicorn_app_socket_group (Debian: www-data), or create it"
        ) from None


def _users(home: Home, done: Prepared, create: Callable[[Path], None]) -> None:
    _file(done, home.users_file, users_text(home.layout.app))
    missing = [user for user in (home.layout.app, BUILD_USER) if not _exists(user)]
    if missing:
        after = "".join(f"{user}\n" for user in missing)
        done.note(Path("/etc/passwd"), "", after, lambda: create(home.users_file))


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _systemd_sysusers(declaration: Path) -> None:
    try:
        done = subprocess.run(["systemd-sysusers", str(declaration)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ReleaseError(
            "systemd-sysusers is not on this host; releases are units of systemd, so it must run"
        ) from None
    if done.returncode:
        raise ReleaseError(f"systemd-sysusers {declaration} failed", tuple(done.stderr.splitlines()[-5:]))


def _directory(done: Prepared, path: Path, owner: str, group: str, mode: int) -> None:
    def make() -> None:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        shutil.chown(path, owner, group)

    done.note(path, _describe(path), f"{owner}:{group} {mode:04o}\n", make)


def _file(done: Prepared, path: Path, text: str) -> None:
    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text, 0o644)
        os.chown(path, 0, 0)

    whole = path.is_file() and not path.is_symlink()
    before = path.read_text(encoding="utf-8", errors="replace") if whole else ""
    done.note(path, before, text, write)
    if before == text:
        done.note(path, _describe(path), "root:root 0644\n", write)


def _gone(done: Prepared, path: Path) -> None:
    before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    done.note(path, before, "", path.unlink)


def _link(done: Prepared, path: Path, target: str) -> None:
    def point() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_symlink(path, target)

    before = str(path.readlink()) if path.is_symlink() else ""
    done.note(path, before, target, point)


def _describe(path: Path) -> str:
    try:
        found = path.stat()
    except FileNotFoundError:
        return ""
    return f"{_user(found.st_uid)}:{_group(found.st_gid)} {stat.S_IMODE(found.st_mode):04o}\n"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
