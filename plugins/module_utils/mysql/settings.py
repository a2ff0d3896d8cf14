# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a server to its settings: the drop-in, what can be set while it runs, and a restart where that is allowed."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..files import write_atomically
from .connection import Login, QueryError, Session, connect, connected, quoted
from .errors import MysqlError, NoAnswerError
from .options_file import drop_in_path, find_server, judge
from .server import MARIADB, Server, parse_version
from .variables import SlowLog, Value, differing, is_live, literal, names_in, render, settings_for, text

NOTE = "Written by rightsize.webstack.mysql_settings from the plan; it is written anew."
#: Assumed in a dry run on a host that has no server yet: Debian 13's.
NEWEST = Server(MARIADB, (11, 8, 0))
_READ_ONLY, _UNKNOWN = 1238, 1193


@dataclass(frozen=True)
class Wish:
    """What to bring the server to."""

    plan: Mapping[str, Any]
    slow_log: SlowLog = SlowLog()
    others: Mapping[str, Value] = field(default_factory=dict)
    drop_in: str | None = None
    restart: bool = False
    unit: str | None = None
    start_timeout: float = 120


@dataclass
class Outcome:
    """What was done; ``waiting`` is what only a restart will change, by name: live value and wanted one.

    ``no_answer`` says in a dry run why the server could not be asked.
    """

    server: Server
    drop_in: str
    before: str
    after: str
    applied: dict[str, dict[str, str]] = field(default_factory=dict)
    waiting: dict[str, dict[str, str]] = field(default_factory=dict)
    restarted: bool = False
    no_answer: str = ""
    databases: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return self.before != self.after or bool(self.applied) or self.restarted

    def to_dict(self) -> dict[str, Any]:
        """Return the result of the module."""
        live = {**self.applied, **(self.waiting if self.restarted else {})}
        before, after = (
            "".join(f"{name} = {change[key]}\n" for name, change in live.items()) for key in ("from", "to")
        )
        return {
            "changed": self.changed,
            "server": str(self.server),
            "drop_in": self.drop_in,
            "applied": self.applied,
            "waiting": self.waiting,
            "restarted": self.restarted,
            "no_answer": self.no_answer,
            "databases": self.databases,
            "differed": [
                f"{name} is {change['from']}, not {change['to']}"
                for name, change in {**self.applied, **self.waiting}.items()
            ],
            "diff": [
                {
                    "before_header": self.drop_in,
                    "after_header": self.drop_in,
                    "before": self.before,
                    "after": self.after,
                },
                {"before_header": "running server", "after_header": "running server", "before": before, "after": after},
            ],
        }


def bring(wish: Wish, login: Login, check_mode: bool) -> Outcome:
    """Do what ``wish`` says, or in check mode say what would be done.

    Raises ``MysqlError``; what is wrong with the wish is said before anything is touched.
    """
    program = find_server()
    if program is None:
        return _without_server(wish, check_mode)
    server = parse_version(_version(program))
    wanted = settings_for(server, wish.plan, wish.slow_log, wish.others)
    path = Path(wish.drop_in) if wish.drop_in else drop_in_path()
    content = render(wanted, server, NOTE)
    log = _log_directory(wanted)
    effective = judge(program, path, content, wanted)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    outcome = Outcome(server, str(path), before, content)
    try:
        session = connect(login)
    except NoAnswerError as error:
        if not check_mode:
            raise
        outcome.no_answer = str(error)  # it may be about to be started: the file is all that can be compared
        return outcome
    with closing(session):
        outcome.databases = [str(row["database"]) for row in session.rows("SHOW DATABASES")]
        # What is not ours any more goes back to what the server would start with.
        dropped = {name: effective[name] for name in _ours_once(session, outcome, wanted) if _is_known(effective, name)}
        if check_mode:
            _foresee(session, outcome, {**wanted, **dropped}, wish)
            return outcome
        if log:
            _make_log_directory(log, session)
        _apply(session, wanted, outcome)
        _give_back(session, dropped, outcome)
        # Last, because it says what was ours: a run that is cut off before it is made good by the next.
        if before != content:
            write_atomically(path, content, 0o644)
        restart = wish.restart or serves_nobody(outcome.databases)
    if outcome.waiting and restart:
        _restart(wish, login, path, before, wanted, outcome)
    return outcome


def _log_directory(wanted: Mapping[str, Value]) -> Path | None:
    """Return the directory of the slow log if it has to be made.

    The server would start without it, and log nothing; Debian 13's package no longer makes it.
    """
    directory = Path(str(wanted["slow_query_log_file"])).parent
    if not wanted["slow_query_log"] or not directory.is_absolute() or directory.is_dir():
        return None
    if not directory.parent.is_dir():
        raise MysqlError(f"slow_query_log_file: there is no directory {directory.parent} on this host; name another")
    return directory


def _make_log_directory(directory: Path, session: Session) -> None:
    owner = Path(str(session.value("SELECT @@datadir"))).stat().st_uid
    directory.mkdir(mode=0o750)
    try:
        shutil.chown(directory, owner, "adm")
    except LookupError:
        shutil.chown(directory, owner)
    directory.chmod(0o2750)


def _without_server(wish: Wish, check_mode: bool) -> Outcome:
    if not check_mode:
        raise MysqlError(
            "there is no MySQL or MariaDB server on this host; set mysql_tuning_install to have MariaDB installed"
        )
    content = render(settings_for(NEWEST, wish.plan, wish.slow_log, wish.others), NEWEST, NOTE)
    return Outcome(NEWEST, wish.drop_in or "/etc/mysql/mariadb.conf.d/99-webstack.cnf", "", content)


def _version(program: str) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=60).stdout


def serves_nobody(databases: Iterable[str]) -> bool:
    """Say whether the server has no database but its own: nobody notices when it is restarted."""
    own = {"information_schema", "performance_schema", "mysql", "sys", "test"}
    return all(name.lower() in own for name in databases)


def live_values(session: Session, wanted: Mapping[str, Value]) -> dict[str, str]:
    """Return what the running server says of these variables."""
    if not wanted:
        return {}
    names = ", ".join(["%s"] * len(wanted))
    found = session.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})", list(wanted))
    return {str(row["variable_name"]).lower(): str(row["value"]) for row in found}


def _ours_once(session: Session, outcome: Outcome, wanted: Mapping[str, Value]) -> list[str]:
    """Return the variables that our drop-in sets, or that the running server was started with from it, and should not.

    Only MariaDB since 10.5 knows of each value which file it is from.
    """
    names = names_in(outcome.before)
    if outcome.server.since(mariadb=(10, 5, 0)):
        found = session.rows(
            "SELECT variable_name FROM information_schema.system_variables "
            "WHERE global_value_origin = 'CONFIG' AND global_value_path = %s",
            [outcome.drop_in],
        )
        names += [str(row["variable_name"]).lower() for row in found]
    return [name for name in dict.fromkeys(names) if name not in wanted]


def _foresee(session: Session, outcome: Outcome, wanted: Mapping[str, Value], wish: Wish) -> None:
    live = live_values(session, wanted)
    read_only = _read_only(session, wanted, outcome.server)
    restart = wish.restart or serves_nobody(outcome.databases)
    for name, value in differing(wanted, live).items():
        change = {"from": live[name], "to": text(value)}
        (outcome.waiting if name in read_only else outcome.applied)[name] = change
    outcome.restarted = bool(outcome.waiting) and restart


def _read_only(session: Session, wanted: Mapping[str, Value], server: Server) -> set[str]:
    """Return which of ``wanted`` only a restart changes; MariaDB knows it of itself."""
    if server.is_mariadb:
        found = session.rows("SELECT variable_name FROM information_schema.system_variables WHERE read_only = 'YES'")
        return {str(row["variable_name"]).lower() for row in found} & set(wanted)
    return {name for name in wanted if is_live(server, name) is False}


def _apply(session: Session, wanted: Mapping[str, Value], outcome: Outcome) -> None:
    """Set what can be set live. A server that refuses a value gets its old ones back."""
    live = live_values(session, wanted)
    done: list[str] = []
    for name, value in differing(wanted, live).items():
        try:
            session.run(f"SET GLOBAL {quoted(name)} = %s", [literal(value)])
            done.append(name)
        except QueryError as error:
            if error.code != _READ_ONLY:
                for other in reversed(done):
                    session.run(f"SET GLOBAL {quoted(other)} = %s", [literal(live[other])])
                raise MysqlError(
                    f"{name} = {text(value)}: the running server refuses it, so its settings and {outcome.drop_in} "
                    f"are what they were before: {error}"
                ) from None
    now = live_values(session, wanted)
    outcome.waiting = _changes(now, wanted)
    outcome.applied = {
        name: {"from": live[name], "to": text(wanted[name])}
        for name in differing(wanted, live)
        if name not in outcome.waiting
    }


def _is_known(effective: Mapping[str, str], name: str) -> bool:
    """Say whether the server has told a value that it can be given: not, for instance, (No default value)."""
    return not effective.get(name, "(").startswith("(")


def _give_back(session: Session, dropped: Mapping[str, str], outcome: Outcome) -> None:
    """Set what is no longer ours to what the server would start with; only a restart does where it refuses that."""
    live = live_values(session, dropped)
    for name, value in differing(dropped, live).items():
        change = {"from": live[name], "to": text(value)}
        try:
            session.run(f"SET GLOBAL {quoted(name)} = %s", [literal(value)])
            outcome.applied[name] = change
        except QueryError:
            outcome.waiting[name] = change


def _put_back(outcome: Outcome) -> None:
    path = Path(outcome.drop_in)
    if outcome.before:
        write_atomically(path, outcome.before, 0o644)
    else:
        path.unlink(missing_ok=True)


def _changes(live: Mapping[str, str], wanted: Mapping[str, Value]) -> dict[str, dict[str, str]]:
    return {name: {"from": live[name], "to": text(value)} for name, value in differing(wanted, live).items()}


def _restart(wish: Wish, login: Login, path: Path, before: str, wanted: Mapping[str, Value], outcome: Outcome) -> None:
    """Restart the server; if it does not come back, put the old drop-in back and start it with that."""
    unit = wish.unit or unit_name()
    if not _comes_back(unit, login, wish.start_timeout):
        lines = _journal(unit)
        _put_back(outcome)
        again = _comes_back(unit, login, wish.start_timeout)
        what = (
            "it runs again with the old ones"
            if again
            else f"and it does not start with the old ones either: systemctl status {unit}"
        )
        raise MysqlError("\n".join([f"{unit} did not start with the new settings; {what}. It said:", *lines]))
    outcome.restarted = True
    outcome.applied.update(outcome.waiting)
    with connected(login) as session:
        live = live_values(session, wanted)
    outcome.waiting = {}
    left = _changes(live, wanted)
    if left:
        said = ", ".join(f"{name} is {change['from']}, not {change['to']}" for name, change in left.items())
        raise MysqlError(
            f"{unit} was restarted with {path}, and yet {said}. Something else sets it, or it has other limits"
        )


def _comes_back(unit: str, login: Login, seconds: float) -> bool:
    end = time.monotonic() + seconds
    command = ["systemctl", "restart", unit]
    subprocess.run(["systemctl", "reset-failed", unit], capture_output=True, check=False)
    try:
        if subprocess.run(command, capture_output=True, check=False, timeout=seconds).returncode:
            return False
    except subprocess.TimeoutExpired:
        return False
    while time.monotonic() < end:
        try:
            connect(login, timeout=5).close()
            return True
        except MysqlError:
            time.sleep(0.2)
    return False


def unit_name() -> str:
    """Return the unit of the server: the name that systemd knows among the usual ones."""
    for name in ("mariadb.service", "mysql.service", "mysqld.service"):
        shown = subprocess.run(
            ["systemctl", "show", "--property=LoadState", "--value", name], capture_output=True, text=True, check=False
        )
        if shown.stdout.strip() == "loaded":
            return name
    raise MysqlError(
        "systemd knows none of mariadb.service, mysql.service and mysqld.service; set mysql_tuning_service"
    )


def _journal(unit: str) -> list[str]:
    command = ["journalctl", "--no-pager", "--output=cat", "--lines=15", f"--unit={unit}"]
    shown = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False).stdout
    return [f"  | {line}" for line in shown.splitlines()]
