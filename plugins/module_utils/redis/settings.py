# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server's settings: the file's text, and how what runs differs from what is wanted.

What a setting means is for the server itself to say: the wanted settings are read from a scratch server that was
started with them, so that 100mb, 104857600 and a default are the same here as there.
"""

from __future__ import annotations

from collections.abc import Mapping

from .errors import RedisError

#: Given by the unit on the command line: a running server that was started with another unit file tells by it.
#: An environment variable would not do, because the server overwrites its own when it sets its title.
UNIT_MARK = "syslog-ident"
#: Not ours to give, with the way out.
REFUSED = {
    **dict.fromkeys(("aclfile", "requirepass", "user"), "list users in redis_users"),
    **dict.fromkeys(
        (
            "appenddirname",
            "appendfilename",
            "daemonize",
            "dbfilename",
            "dir",
            "supervised",
            "unixsocket",
            "unixsocketperm",
            UNIT_MARK,
        ),
        "backups and the unit rely on the role's own value",
    ),
    "include": "put its settings into redis_settings",
    "masterauth": "replication is not what this role sets up, and this file is shown in diffs",
    "rename-command": "say per user what may be done (commands in redis_users)",
}
#: What a scratch server must be given other values for, and so compared as written.
LITERAL = (
    "aclfile", "daemonize", "dir", "logfile", "maxclients", "pidfile", "port", "supervised", "tls-port", "unixsocket",
    "unixsocketperm",
)  # fmt: skip
#: Old names of settings, what follows from others, and what only a running server has.
IGNORED = (
    "hash-max-ziplist-entries", "hash-max-ziplist-value", "zset-max-ziplist-entries", "zset-max-ziplist-value",
    "list-max-ziplist-size", "slaveof", "replicaof", "slave-read-only", "slave-serve-stale-data", "slave-lazy-flush",
    "slave-ignore-maxmemory", "slave-priority", "slave-announce-ip", "slave-announce-port", "min-slaves-to-write",
    "min-slaves-max-lag", "cluster-slave-validity-factor", "cluster-slave-no-failover", "bio_cpulist",
    "server_cpulist", "bgsave_cpulist", "aof_rewrite_cpulist", "availability-zone", UNIT_MARK,
)  # fmt: skip
#: Settings that a running server cannot take over. What is missing here is found when the server refuses it.
AT_START_ONLY = (
    "aclfile", "always-show-logo", "aof-rewrite-cpulist", "appenddirname", "appendfilename", "bgsave-cpulist",
    "bind-source-addr", "bio-cpulist", "cluster-config-file", "cluster-enabled", "cluster-port", "daemonize",
    "databases", "dbfilename", "dir", "disable-thp", "enable-debug-command", "enable-module-command",
    "enable-protected-configs", "ignore-warnings", "io-threads", "io-threads-do-reads", "jemalloc-bg-thread",
    "logfile", "pidfile", "server-cpulist", "set-proc-title", "socket-mark-id", "supervised", "syslog-enabled",
    "syslog-facility", "syslog-ident", "tcp-backlog", "unixsocket", "unixsocketperm",
)  # fmt: skip
_SECRET = ("auth", "pass")


def check(settings: Mapping[str, object]) -> None:
    """Refuse what is not for the inventory to give. Raises ``RedisError``."""
    for name in settings:
        if name.lower() in REFUSED:
            raise RedisError(f"redis_settings.{name}: not here; {REFUSED[name.lower()]}")


def render(settings: Mapping[str, object]) -> str:
    """Return the file; a list of texts becomes one line each. Raises ``RedisError`` for what is no value."""
    lines = ["# Managed by Ansible (rightsize.webstack): written whole at every run. redis_settings changes it."]
    for name in sorted(settings):
        key = name.lower()
        value = settings[name]
        lines += [f"{key} {_text(name, item)}" for item in (value if isinstance(value, (list, tuple)) else [value])]
    return "\n".join(lines) + "\n"


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str) or "\n" in value or "\0" in value:
        raise RedisError(f"redis_settings.{name}: {value!r} is not a setting's value; write it as redis.conf has it")
    return value if value else '""'


def literals(settings: Mapping[str, object]) -> dict[str, str]:
    """Return the settings that are compared as they are written."""
    return {name: _text(name, settings[name]) for name in LITERAL if name in settings}


def wanted(understood: Mapping[str, str], settings: Mapping[str, object]) -> dict[str, str]:
    """Return what the live server must say, given what a scratch server understood."""
    return {**{name: value for name, value in understood.items() if name not in LITERAL}, **literals(settings)}


def differences(live: Mapping[str, str], want: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return what each setting is and should be, where that is not the same."""
    names = (name for name in want if name in live and name not in IGNORED)
    return {name: (live[name], want[name]) for name in names if live[name] != want[name]}


def describe(name: str, change: tuple[str, str]) -> str:
    """Say in words what differs; values that could be secret are left out."""
    if any(part in name for part in _SECRET):
        return f"{name} differs"
    return f"{name} is {change[0] or 'empty'}, wanted {change[1] or 'empty'}"


def split(changes: Mapping[str, tuple[str, str]]) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Divide changes into those that a running server takes over and those that need a start."""
    live = {name: change[1] for name, change in changes.items() if name not in AT_START_ONLY}
    return live, {name: change for name, change in changes.items() if name in AT_START_ONLY}


def listing(values: Mapping[str, str]) -> str:
    """Return settings as the lines of a diff; values that could be secret are left out."""
    shown = {name: "…" if any(part in name for part in _SECRET) else value for name, value in values.items()}
    return "".join(f"{name} {shown[name]}\n" for name in sorted(shown))
