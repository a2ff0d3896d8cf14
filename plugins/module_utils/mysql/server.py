# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which server this is: MariaDB or MySQL, and its version."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import MysqlError

Version = tuple[int, ...]

MARIADB, MYSQL = "mariadb", "mysql"
NAMES = {MARIADB: "MariaDB", MYSQL: "MySQL"}
OLDEST: dict[str, Version] = {MARIADB: (10, 2), MYSQL: (5, 7)}
_NUMBER = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Server:
    """A flavour and a version, as ``Server("mariadb", (11, 8, 9))``."""

    flavour: str
    version: Version

    def __str__(self) -> str:
        return f"{NAMES[self.flavour]} {'.'.join(map(str, self.version))}"

    @property
    def is_mariadb(self) -> bool:
        return self.flavour == MARIADB

    def since(self, mariadb: Version | None = None, mysql: Version | None = None) -> bool:
        """Say whether this server is at least the version given for its flavour; ``None`` is never."""
        first = mariadb if self.is_mariadb else mysql
        return first is not None and self.version >= first


def parse_version(text: str) -> Server:
    """Read ``mariadbd --version``, ``mysqld --version`` or ``SELECT VERSION()``.

    Raises ``MysqlError`` when there is no version in it, or one that is too old to be tuned.
    """
    # MariaDB 10 puts 5.5.5- before its own version for old replicas.
    found = _NUMBER.search(text.replace("5.5.5-", ""))
    if not found:
        raise MysqlError(f"{text.strip()!r} is not a version of MySQL or MariaDB")
    flavour = MARIADB if "mariadb" in text.lower() else MYSQL
    server = Server(flavour, tuple(map(int, found.groups())))
    if server.version < OLDEST[flavour]:
        oldest = " and ".join(str(Server(name, version)) for name, version in OLDEST.items())
        raise MysqlError(f"{server} is too old; {oldest} are the oldest that are known here. Upgrade it first")
    return server
