# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of one app lives on its host, and what its names may look like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ..files import sync_directory
from .errors import ReleaseError

APP_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
RELEASE_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{7}")

# An app's name becomes a user, a slice and directories below /srv and /run: these are taken.
RESERVED_NAMES = frozenset(
    ["root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "backup", "list"]
    + ["nobody", "nginx", "redis", "valkey", "mysql", "mariadb", "postgres", "postgresql", "pgbouncer", "prometheus"]
    + ["systemd", "dbus", "sshd", "lock", "user", "log", "mount", "initctl", "machine", "system", "init", "irc"]
)


def check_app_name(name: str) -> str:
    """Return ``name``, or raise ``ReleaseError`` when it cannot name units, users and directories."""
    if not APP_NAME.fullmatch(name):
        raise ReleaseError(
            f"app name {name!r}: use a lower-case letter, then lower-case letters, digits or '_' "
            "(at most 31 characters); it names systemd units, a user, sockets and directories"
        )
    if name in RESERVED_NAMES:
        raise ReleaseError(f"app name {name!r} belongs to a system user or service; choose another, like '{name}_app'")
    return name


def new_release_id(digest: str, now: datetime) -> str:
    """Name a release by when it was made and what is in it."""
    return f"{now.astimezone(timezone.utc):%Y%m%dT%H%M%SZ}-{digest[:7]}"


@dataclass(frozen=True)
class Layout:
    """The paths and unit names of one app."""

    app: str
    srv: Path = Path("/srv")
    run: Path = Path("/run")

    @property
    def home(self) -> Path:
        return self.srv / self.app

    @property
    def releases(self) -> Path:
        return self.home / "releases"

    @property
    def sources(self) -> Path:
        """Unpacked sources, one directory per content; releases share them."""
        return self.home / "sources"

    @property
    def venvs(self) -> Path:
        """Virtualenvs, one directory per set of dependencies; releases share them."""
        return self.home / "venvs"

    @property
    def incoming(self) -> Path:
        return self.home / "incoming"

    @property
    def shared(self) -> Path:
        return self.home / "shared"

    @property
    def current(self) -> Path:
        """Symlink to the release that was activated last; what starts at boot."""
        return self.home / "current"

    @property
    def history(self) -> Path:
        return self.home / "history.jsonl"

    @property
    def key(self) -> Path:
        """Key for fingerprints of secrets, so that a release's id says nothing about them."""
        return self.home / ".fingerprint.key"

    @property
    def cache(self) -> Path:
        return Path("/var/cache/webstack") / self.app

    @property
    def lock(self) -> Path:
        return self.run / "lock" / f"webstack-{self.app}.lock"

    @property
    def live(self) -> Path:
        """The socket that nginx names as its upstream: a symlink to a release's own."""
        return self.run / self.app / "live.sock"

    @property
    def shared_socket(self) -> Path:
        """The socket that systemd holds where two generations don't fit in memory."""
        return self.run / self.app / f"{self.app}.sock"

    @property
    def socket_unit(self) -> str:
        return f"{self.app}.socket"

    @property
    def socket_units(self) -> tuple[str, str]:
        """The socket, and the empty service that systemd demands beside it."""
        return self.socket_unit, f"{self.app}-socket.service"

    def points_at(self, socket: Path) -> bool:
        """Say whether nginx finds this socket behind the live one."""
        return self.live.is_symlink() and self.live.readlink().name == socket.name

    def release(self, release_id: str) -> Path:
        return self.releases / release_id

    def socket(self, release_id: str) -> Path:
        return self.run / self.app / f"{release_id}.sock"

    def unit(self, release_id: str) -> str:
        return f"{self.app}@{release_id}.service"


def replace_symlink(link: Path, target: str) -> None:
    """Point ``link`` at ``target`` in one ``rename(2)``: whoever opens it finds the old one or the new one."""
    temporary = link.with_name(f".{link.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
    sync_directory(link.parent)
