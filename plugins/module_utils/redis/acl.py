# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of a server and what each may do. Servers, files and messages get the SHA-256 digests of passwords alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from .errors import RedisError

ADMINISTRATOR = "webstack"
#: Who asks for metrics, where they are asked for.
MONITOR = "webstack_metrics"
#: Figures alone. Neither the configuration nor what others have asked for (SLOWLOG GET) can be read.
MONITOR_COMMANDS = ("+client|setname", "+info", "+latency|histogram", "+latency|latest", "+ping", "+slowlog|len")
SHORTEST_PASSWORD = 12
#: All that Redis can do, except what reaches beyond a user's own keys. INFO is asked for by many libraries.
APP_COMMANDS = ("+@all", "-@admin", "-@dangerous", "+info")
#: Whom everybody is before AUTH. It is off and has no password, so nobody can be it. It may do everything all the same,
#: because a server that starts reads the append-only file as this user, and asks for each transaction whether it is
#: allowed: without these rights what MULTI and scripts have written is refused, and lost (seen with Redis 8.0).
DEFAULT_LINE = "user default off resetpass ~* &* +@all"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")
_COMMAND = re.compile(r"[+-][A-Za-z0-9@_|-]+")


@dataclass(frozen=True)
class User:
    """One user: the digest of the password, patterns of keys and channels, and rules about commands."""

    name: str
    digest: str
    keys: tuple[str, ...]
    commands: tuple[str, ...] = APP_COMMANDS


@dataclass(frozen=True)
class Line:
    """One line of ``ACL LIST`` or of an ACL file, passwords apart from the rest."""

    name: str
    digests: tuple[str, ...]
    rules: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(["user", self.name, *(f"#{digest}" for digest in self.digests), *self.rules])


def read_users(entries: Sequence[Mapping[str, object]]) -> tuple[User, ...]:
    """Check the users of the inventory. Raises ``RedisError`` naming variable, value and way out."""
    users = tuple(read_user(entry, f"users[{index}]") for index, entry in enumerate(entries))
    names = [user.name for user in users]
    for name in names:
        if names.count(name) > 1:
            raise RedisError(f"users: {name!r} is there twice; give each its own name")
    return users


def read_user(entry: Mapping[str, object], where: str) -> User:
    """Check one user. Raises ``RedisError`` that says ``where``."""
    name, password = str(entry["name"]), str(entry["password"])
    if not _NAME.fullmatch(name) or name in ("default", ADMINISTRATOR, MONITOR):
        raise RedisError(
            f"{where}.name: {name!r} cannot be a user; use letters, digits, '_' and '-', and none of default, "
            f"{ADMINISTRATOR} and {MONITOR}, which are the role's own"
        )
    if len(password) < SHORTEST_PASSWORD:
        raise RedisError(
            f"{where}.password: the one of {name!r} is shorter than {SHORTEST_PASSWORD} characters, and a server can "
            "be asked thousands of times a second; make one with: openssl rand -hex 24"
        )
    keys, commands = _words(entry.get("keys")), _words(entry.get("commands"))
    for key in keys:
        if not key or re.search(r"\s", key):
            raise RedisError(f"{where}.keys: {key!r} is not a pattern of keys; write one like {name}:*, without spaces")
    for command in commands:
        if not _COMMAND.fullmatch(command):
            raise RedisError(f"{where}.commands: {command!r} is not a rule; write +COMMAND, -COMMAND or +@CATEGORY")
    return User(name, sha256(password.encode()).hexdigest(), keys or (f"{name}:*",), (*APP_COMMANDS, *commands))


def monitor(password: str) -> User:
    """Return the user that reads figures and no keys."""
    return User(MONITOR, sha256(password.encode()).hexdigest(), (), MONITOR_COMMANDS)


def _words(value: object) -> tuple[str, ...]:
    return tuple(str(word) for word in value) if isinstance(value, (list, tuple)) else ()


def parse(lines: Iterable[str]) -> dict[str, Line]:
    """Return the lines by user."""
    found = {}
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == "user":
            digests = tuple(word[1:] for word in words[2:] if word.startswith("#"))
            found[words[1]] = Line(words[1], digests, tuple(word for word in words[2:] if not word.startswith("#")))
    return found


def accepted(wanted: str, held: Sequence[str], keep_previous: bool) -> tuple[str, ...]:
    """Return the digests that a user may log in with: the wanted one, then the one that was current before it.

    With the one before it an app goes on until its release has the new one, and a rollback still gets in.
    """
    others = [digest for digest in held if digest != wanted]
    return (wanted, *others[:1]) if keep_previous else (wanted,)


def acl_file(users: Sequence[User], admin_digest: str, held: Mapping[str, Line], keep_previous: bool) -> str:
    """Return the text of the ACL file. ``held`` are the users that the server has now."""
    lines = [DEFAULT_LINE, f"user {ADMINISTRATOR} on #{admin_digest} ~* &* +@all"]
    for user in users:
        before = held[user.name].digests if user.name in held else ()
        words = ["user", user.name, "on", *(f"#{digest}" for digest in accepted(user.digest, before, keep_previous))]
        words += [f"~{key}" for key in user.keys] + ["resetchannels"] + [f"&{key}" for key in user.keys]
        lines.append(" ".join([*words, "-@all", *user.commands]))
    return "\n".join(lines) + "\n"


def differences(held: Mapping[str, Line], wanted: Mapping[str, Line]) -> list[str]:
    """Say per user how ``held`` differs from ``wanted``, without digests."""
    found = []
    for name in sorted({*held, *wanted}):
        there, line = held.get(name), wanted.get(name)
        if line is None:
            found.append(f"user {name}: is not in the inventory")
        elif there is None:
            found.append(f"user {name}: is missing")
        else:
            if there.digests != line.digests:
                found.append(f"user {name}: has other passwords")
            if there.rules != line.rules:
                found.append(f"user {name}: has the rules {' '.join(there.rules)}; wanted {' '.join(line.rules)}")
    return found


def commands(held: Mapping[str, Line], wanted: Mapping[str, Line]) -> list[tuple[str, ...]]:
    """Return the commands that turn the users ``held`` by a server into those ``wanted``.

    Users that stay keep their connections; those of a removed one are closed by the server.
    """
    changed = [line for name, line in wanted.items() if held.get(name) != line]
    removed = [name for name in held if name not in wanted]
    made = [
        ("ACL", "SETUSER", line.name, "reset", *line.rules, *(f"#{item}" for item in line.digests)) for line in changed
    ]
    return [*made, *([("ACL", "DELUSER", *removed)] if removed else [])]
