# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a server, its files and its unit to what is wanted: live where it can be, by a restart where it must be.

Nothing is touched before a scratch server has started with the new files. When the server then does not come up all the
same, the old files are put back and it is started with those.
"""

from __future__ import annotations

import grp
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..store.lock import alone
from . import acl, settings
from .client import Client, flag, wait_until_ready
from .data import adopt_dump, mend
from .errors import LoginError, RedisError, ReplyError, ServerDownError
from .server import (
    Server,
    Understood,
    Unit,
    digest,
    first_that_answers,
    last_lines,
    limit_memory,
    systemctl,
    try_out,
    unit,
    write,
)

#: Where the distribution's own configuration listens.
DEFAULT_ADDRESS = ("127.0.0.1", 6379)
#: Seconds for a rewrite of the append-only file, and for loading the data after a start.
REWRITE_SECONDS = 600.0
LOAD_SECONDS = 600.0


@dataclass(frozen=True)
class Wanted:
    """What the inventory and the plan ask for. ``unit_text`` is the drop-in, with @DIGEST@ for its own digest;
    ``monitored`` whether there is a user that reads figures.
    """

    settings: Mapping[str, object]
    users: tuple[acl.User, ...]
    unit_text: str
    memory_max_mb: int | None
    keep_previous: bool = True
    may_restart: bool = True
    monitored: bool = False

    @property
    def appends(self) -> bool:
        return self.settings.get("appendonly") in (True, "yes")

    def unit_file(self) -> tuple[str, str]:
        """Return the drop-in and its digest, which leaves out what a running unit takes over: the memory limit."""
        lines = [line for line in self.unit_text.splitlines() if not line.startswith("MemoryMax=")]
        found = digest("\n".join(lines))
        return self.unit_text.replace("@DIGEST@", found), found


@dataclass
class Found:
    """What is there: the unit, the files' texts, and, when the server answers, what it runs with."""

    unit: Unit
    files: dict[Path, str | None]
    config: dict[str, str] = field(default_factory=dict)
    users: dict[str, acl.Line] = field(default_factory=dict)
    config_file: str = ""
    used_bytes: int = 0
    cannot_append: bool = False
    refuses_us: bool = False
    foreign: bool = False

    @property
    def answers(self) -> bool:
        return bool(self.config)


@dataclass(frozen=True)
class Todo:
    """What is to be done. ``restart`` has the reasons; a server that is down is started."""

    files: dict[Path, str]
    live: dict[str, str]
    user_commands: list[tuple[str, ...]]
    restart: list[str]
    start: bool
    limit: bool
    enable: bool
    differences: list[str]

    @property
    def nothing(self) -> bool:
        steps = (self.files, self.live, self.user_commands, self.restart, self.start, self.limit, self.enable)
        return not any(steps)


def bring_about(server: Server, wanted: Wanted, check_mode: bool) -> dict[str, Any]:
    """Do it, or say what would be done. Raises ``RedisError``; what it says was not changed was not."""
    all_settings = {**wanted.settings, **server.structure()}
    new_files = {server.config: settings.render(all_settings), server.drop_in: wanted.unit_file()[0]}
    if not server.there:
        if not check_mode:
            raise RedisError(f"{server.binary} is not there; install the package first")
        return _not_installed(new_files)
    before = server.password.exists()
    password = server.admin_password() or ("" if check_mode else server.make_admin_password())
    found = look(server)
    refuse_stranger(server, found)
    admin = digest(password)
    users, monitor_changes = _with_monitor(server, wanted, check_mode)
    new_files[server.acl] = acl.acl_file(users, admin, _held(server, found), wanted.keep_previous)
    # Without a password yet, a dry run has no way into a scratch server.
    understood = try_out(server, new_files[server.config], new_files[server.acl]) if password else Understood({}, {})
    todo = plan(server, wanted, found, new_files, understood)
    result = _report(server, found, todo, new_files)
    result["changed"] = not todo.nothing or not before or monitor_changes
    _refuse_to_starve(found, understood)
    if not check_mode and not todo.nothing:
        _carry_out(server, wanted, found, todo)
        _see_that_it_is_so(server, wanted, new_files, understood)
    if not wanted.may_restart:
        result["waiting"] = todo.restart
        result["changed"] = result["changed"] and not _only_waits(todo)
    result["restarted"] = bool(todo.restart) and wanted.may_restart
    result["live"] = [] if result["restarted"] else sorted(todo.live)
    return result


def _with_monitor(server: Server, wanted: Wanted, check_mode: bool) -> tuple[tuple[acl.User, ...], bool]:
    """Return the users, with the one that reads figures where it is wanted, and whether its password changes."""
    password = server.monitor_password()
    if not wanted.monitored:
        if password and not check_mode:
            server.monitor.unlink()
        return wanted.users, password is not None
    made = password is None
    if password is None:
        password = "" if check_mode else server.make_monitor_password()
    return (*wanted.users, acl.monitor(password)), made


def look(server: Server) -> Found:
    """Look at the server and its files; changes nothing."""
    found = Found(unit(server.unit), {path: _text(path) for path in (server.config, server.acl, server.drop_in)})
    client = first_that_answers((server.socket,))
    if client is None and found.unit.running:
        client = first_that_answers((DEFAULT_ADDRESS,))
        found.foreign = client is not None
    if client is None:
        return found
    with client:
        try:
            if not found.foreign:
                client.log_in(acl.ADMINISTRATOR, server.admin_password() or "")
            info = {**client.info("server"), **client.info("memory"), **client.info("persistence")}
            found.config, found.users = client.config(), acl.parse(client.call("ACL", "LIST"))
        except LoginError as error:
            if found.foreign:
                raise RedisError(_foreign_with_password(server)) from error
            found.refuses_us = True
            return found
    found.config_file, found.used_bytes = info.get("config_file", ""), int(info.get("used_memory", 0))
    found.cannot_append = info.get("aof_last_write_status", "ok") != "ok"
    return found


def refuse_stranger(server: Server, found: Found) -> None:
    """Leave alone a server that was never this role's and whose data would be lost by taking it over."""
    way_out = f"Save its data, stop it (systemctl stop {server.unit}), move the data there, and run this again"
    never_ours = found.files[server.config] is None
    if found.unit.running and not found.answers and not found.refuses_us and never_ours:
        raise RedisError(
            f"nothing was changed: {server.unit} runs with a configuration that is not this role's and does not answer "
            f"on {DEFAULT_ADDRESS[0]}:{DEFAULT_ADDRESS[1]}, so what it holds cannot be kept in {server.data}. {way_out}"
        )
    own = server.structure()
    for name in ("dir", "dbfilename", "appenddirname", "appendfilename"):
        if found.foreign and found.config.get(name, own[name]) != own[name]:
            raise RedisError(
                f"nothing was changed: {server.unit} runs with {name} {found.config[name]}, and this role with "
                f"{own[name]} in {server.data}. {way_out}"
            )


def _foreign_with_password(server: Server) -> str:
    return (
        f"nothing was changed: {server.unit} runs with a configuration that is not this role's and wants a password. "
        f"Save its data (redis-cli -a … SAVE), stop it (systemctl stop {server.unit}) and run this again"
    )


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def _held(server: Server, found: Found) -> dict[str, acl.Line]:
    """Return the users of now: the server's, or else those of the file that it would start with."""
    return found.users or acl.parse((found.files[server.acl] or "").splitlines())


def plan(server: Server, wanted: Wanted, found: Found, new_files: Mapping[Path, str], understood: Understood) -> Todo:
    """Compare what is there with what is wanted; pure."""
    files = {path: text for path, text in new_files.items() if found.files[path] != text}
    differences = [f"{path} differs" for path in files]
    live: dict[str, str] = {}
    commands: list[tuple[str, ...]] = []
    restart: list[str] = []
    if found.answers and not found.foreign:
        changes = settings.differences(
            found.config, settings.wanted(understood.config, {**wanted.settings, **server.structure()})
        )
        live, at_start = settings.split(changes)
        restart = [settings.describe(name, change) for name, change in at_start.items()]
        differences += [f"the running server: {settings.describe(name, change)}" for name, change in changes.items()]
        commands = acl.commands(found.users, understood.users)
        differences += [f"the running server: {text}" for text in acl.differences(found.users, understood.users)]
    restart += _reasons(server, wanted, found)
    start = not found.unit.running
    limit = bool(wanted.memory_max_mb and found.unit.pid and found.unit.memory_max_mb != wanted.memory_max_mb)
    if limit:
        differences.append(
            f"the kernel holds {server.unit} to {found.unit.memory_max_mb or 'any number of'} MB, "
            f"wanted {wanted.memory_max_mb} MB"
        )
    if found.cannot_append:
        differences.append("the running server cannot write to its disk, and refuses writes; its log says why")
    if start:
        differences.append(f"{server.unit} is {found.unit.active}")
    if not found.unit.enabled:
        differences.append(f"{server.unit} does not start at boot")
    return Todo(
        files, live, commands, [] if start else restart, start, limit, not found.unit.enabled,
        differences + [f"a restart is needed: {reason}" for reason in restart if not start],
    )  # fmt: skip


def _reasons(server: Server, wanted: Wanted, found: Found) -> list[str]:
    if not found.unit.running:
        return []
    if found.refuses_us:
        return [f"it refuses the password in {server.password}"]
    if not found.answers:
        return ["it runs, but does not answer"]
    if found.config_file != str(server.config):
        return [f"it was started with {found.config_file or 'no file'}, not with {server.config}"]
    if found.config.get(settings.UNIT_MARK) != f"webstack-{wanted.unit_file()[1]}":
        return ["its unit has changed since it was started"]
    return []


def _refuse_to_starve(found: Found, understood: Understood) -> None:
    limit = int(understood.config.get("maxmemory", 0))
    if found.answers and 0 < limit < found.used_bytes and understood.config.get("maxmemory-policy") == "noeviction":
        raise RedisError(
            f"nothing was changed: maxmemory would be {limit >> 20} MB, and Redis holds {found.used_bytes >> 20} MB: "
            "with the policy noeviction it would refuse every write. Give it more (redis_settings: {maxmemory: ...}, "
            "or redis.maxmemory_mb in webstack_overrides), or delete data first"
        )


def _carry_out(server: Server, wanted: Wanted, found: Found, todo: Todo) -> None:
    group = grp.getgrnam(server.user).gr_gid
    server.drop_in.parent.mkdir(mode=0o755, exist_ok=True)
    if found.answers:
        with _connect(server, found) as client:
            _change_live(client, found, todo, wanted)
    for path, text in todo.files.items():
        write(path, text, 0o644 if path == server.drop_in else 0o640, 0 if path == server.drop_in else group)
    if server.drop_in in todo.files or found.unit.needs_reload:
        systemctl("daemon-reload")
    if todo.enable:
        systemctl("enable", server.unit)
    if todo.start or (todo.restart and wanted.may_restart):
        _start(server, wanted, found, group)
    elif todo.limit and wanted.memory_max_mb:
        limit_memory(server.unit, wanted.memory_max_mb)


def _connect(server: Server, found: Found) -> Client:
    return Client(DEFAULT_ADDRESS) if found.foreign else server.connect()


def _change_live(client: Client, found: Found, todo: Todo, wanted: Wanted) -> None:
    if todo.restart and wanted.may_restart:
        # All comes with the start, except that a server which starts with an append-only file has what is in there
        # alone: its data must be in it before.
        todo.live.clear()
        if wanted.appends and found.config.get("appendonly") == "no":
            client.call("CONFIG", "SET", "appendonly", "yes")
            _wait_for_rewrite(client)
        return
    for name in _set(client, dict(todo.live)):
        todo.restart.append(f"{name} cannot be changed while it runs")
        del todo.live[name]
    for command in todo.user_commands:
        client.call(*command)
    if todo.live.get("appendonly") == "yes":
        _wait_for_rewrite(client)


def _set(client: Client, changes: dict[str, str]) -> list[str]:
    """Set all at once, and return what the server can only take over at a start."""
    late: list[str] = []
    while changes:
        try:
            client.call("CONFIG", "SET", *(word for pair in changes.items() for word in pair))
        except ReplyError as error:
            named = re.search(r"argument '([^']+)'", str(error))
            # The scratch server took it, so a start will: some cannot be changed later, others not in one step.
            if named and named[1] in changes:
                late.append(named[1])
                del changes[named[1]]
                continue
            raise RedisError(f"nothing was changed: the running server refuses the new settings: {error}") from error
        break
    return late


def _wait_for_rewrite(client: Client) -> None:
    end = time.monotonic() + REWRITE_SECONDS
    while True:
        info = client.info("persistence")
        if not flag(info, "aof_rewrite_in_progress") and not flag(info, "aof_rewrite_scheduled"):
            break
        if time.monotonic() > end:
            raise RedisError(
                f"the append-only file was not written within {REWRITE_SECONDS:.0f} s; run this again later"
            )
        time.sleep(0.1)
    if info.get("aof_last_bgrewrite_status") != "ok":
        raise RedisError("the append-only file could not be written; the server's log says why (disk full?)")


def _start(server: Server, wanted: Wanted, found: Found, group: int) -> None:
    if not found.unit.running:
        # A restore that is at work has stopped it; one that was cut off has to be taken back.
        with alone(server.data):
            mend(server.data)
            if wanted.appends:
                adopt_dump(server.data, server.user)
    try:
        systemctl("restart", server.unit)
        wait_until_ready(server.connect, LOAD_SECONDS).__exit__()
    except (RedisError, ServerDownError) as error:
        log = Path(str(wanted.settings.get("logfile") or "/dev/null"))
        lines = last_lines(log)
        went_back = _put_back(server, found, group)
        raise RedisError(f"{server.unit} did not start: {error.args[0]}; {went_back}", lines) from error


def _put_back(server: Server, found: Found, group: int) -> str:
    for path, text in found.files.items():
        if text is None:
            path.unlink(missing_ok=True)
        else:
            write(path, text, 0o644 if path == server.drop_in else 0o640, 0 if path == server.drop_in else group)
    systemctl("daemon-reload")
    if not found.unit.running:
        return "the old files are back, and it was not running before either"
    try:
        systemctl("restart", server.unit)
    except RedisError:
        return f"the old files are back, but it does not start with them either: systemctl status {server.unit}"
    return "the old configuration is back, and it runs with that"


def _see_that_it_is_so(server: Server, wanted: Wanted, new_files: Mapping[Path, str], understood: Understood) -> None:
    left = plan(server, wanted, look(server), new_files, understood)
    if left.nothing or (left.restart and not wanted.may_restart):
        return
    # A kernel without a memory controller holds nobody to a limit; verify says so.
    if left.limit and not (left.files or left.live or left.user_commands or left.restart or left.start or left.enable):
        return
    raise RedisError(f"{server.unit} is not what was asked for even now: {'; '.join(left.differences)}")


def _only_waits(todo: Todo) -> bool:
    return not (todo.files or todo.live or todo.user_commands or todo.start or todo.limit or todo.enable)


def _report(server: Server, found: Found, todo: Todo, new_files: Mapping[Path, str]) -> dict[str, Any]:
    shown = []
    for path, text in todo.files.items():
        before = found.files[path] or ""
        if path == server.acl:
            before, text = _masked(before, before), _masked(text, before)
        shown.append({"before_header": str(path), "after_header": str(path), "before": before, "after": text})
    if todo.live:
        old = {name: found.config.get(name, "") for name in todo.live}
        shown.append({
            "before_header": "running server", "after_header": "running server",
            "before": settings.listing(old), "after": settings.listing(todo.live),
        })  # fmt: skip
    return {
        "changed": not todo.nothing,
        "restart_reasons": todo.restart,
        "started": todo.start,
        "differences": todo.differences,
        "waiting": [],
        "diff": shown,
    }


def _masked(text: str, before: str) -> str:
    """Return an ACL file's text without digests, but showing which of them are new."""
    return re.sub(r"#([0-9a-f]{64})", lambda match: "#(as before)" if match[1] in before else "#(new)", text)


def _not_installed(new_files: Mapping[Path, str]) -> dict[str, Any]:
    shown = [
        {"before_header": str(path), "after_header": str(path), "before": "", "after": text}
        for path, text in new_files.items()
    ]
    return {
        "changed": True, "live": [], "restart_reasons": [], "started": True, "restarted": False, "waiting": [],
        "differences": ["the server is not installed"], "diff": shown,
    }  # fmt: skip
