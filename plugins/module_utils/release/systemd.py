# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk to systemd about the units of an app."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import ReleaseError

TRACEBACK_LINES = 4


@dataclass(frozen=True)
class UnitState:
    """What systemd says of one unit; ``restarts`` counts automatic restarts since it was started."""

    unit: str
    active: str
    sub: str
    restarts: int
    main_pid: int

    @property
    def running(self) -> bool:
        return self.active in ("active", "reloading")

    @property
    def stopped(self) -> bool:
        return self.active in ("inactive", "failed")

    @property
    def crashed(self) -> bool:
        """It ended by itself since it was started, whether or not systemd is trying again."""
        return self.active == "failed" or self.sub.startswith("auto-restart") or self.restarts > 0


def systemctl(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run systemctl; raises ``ReleaseError`` with what it printed when ``check`` and it failed."""
    done = _run(["systemctl", *arguments])
    if check and done.returncode:
        raise ReleaseError(f"systemctl {' '.join(arguments)} failed", tuple(done.stderr.splitlines()[-5:]))
    return done


def unit_states(pattern: str) -> dict[str, UnitState]:
    """Return the state of every loaded unit that matches a glob, by unit name."""
    shown = systemctl("show", pattern, "--property=Id,ActiveState,SubState,NRestarts,MainPID", check=False).stdout
    return {state.unit: state for state in map(_parse_unit, shown.split("\n\n")) if state.unit}


def reload_if_needed(*patterns: str) -> None:
    """Let systemd read unit files again where they are newer than what it has loaded."""
    shown = systemctl("show", *patterns, "--property=NeedDaemonReload", check=False).stdout
    if "NeedDaemonReload=yes" in shown:
        systemctl("daemon-reload")


def renew_limits(slice_unit: str) -> None:
    """Make the kernel hold a slice to the limits that systemd has loaded: that happens when a unit starts in it."""
    _run(["systemd-run", "--quiet", "--wait", "--collect", f"--slice={slice_unit}", "true"])


def unit_state(unit: str) -> UnitState:
    """Return the state of one unit; an unknown one is inactive."""
    return unit_states(unit).get(unit, UnitState(unit, "inactive", "dead", 0, 0))


def inherits_socket(state: UnitState, proc: Path = Path("/proc")) -> bool:
    """Say whether a unit's main process was given its socket by systemd, whatever the unit file says by now."""
    try:
        environment = (proc / str(state.main_pid) / "environ").read_bytes()
    except OSError:
        return False
    return any(value.startswith(b"LISTEN_FDS=") for value in environment.split(b"\0"))


def _parse_unit(block: str) -> UnitState:
    values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return UnitState(
        unit=values.get("Id", ""),
        active=values.get("ActiveState", "inactive"),
        sub=values.get("SubState", "dead"),
        restarts=int(values.get("NRestarts") or 0),
        main_pid=int(values.get("MainPID") or 0),
    )


def journal_tail(unit: str, lines: int = 25) -> tuple[str, ...]:
    """Return the last lines that a unit wrote to the journal, and systemd's about it.

    Requests are left out: those of our own probes would push everything else out of sight.
    """
    _run(["journalctl", "--sync"])
    done = _run(["journalctl", "--unit", unit, "--lines", "5000", "--output", "cat", "--no-pager", "--quiet"])
    shown = [part for line in done.stdout.splitlines() for part in readable(line)]
    return tuple(shorten(line) for line in trim_tracebacks(shown)[-lines:])


def answered(unit: str, paths: Collection[str]) -> set[int]:
    """Return the processes of a unit that have answered a request for one of ``paths``, by its journal."""
    _run(["journalctl", "--sync"])
    done = _run(["journalctl", "--unit", unit, "--lines", "5000", "--output", "cat", "--no-pager", "--quiet"])
    return processes_that_answered(done.stdout.splitlines(), paths)


def processes_that_answered(lines: Iterable[str], paths: Collection[str]) -> set[int]:
    """Return the process ids in gunicorn's access log, as our gunicorn.conf.py writes it, with one of ``paths``."""
    found = set()
    for line in lines:
        if '"gunicorn.access"' in line:
            try:
                entry = json.loads(line)
            except ValueError:  # cut off by journald
                continue
            if entry.get("path") in paths and isinstance(entry.get("pid"), int):
                found.add(entry["pid"])
    return found


def trim_tracebacks(lines: Sequence[str]) -> list[str]:
    """Leave only the ends of tracebacks: gunicorn's own, after the app's, would push the cause out of sight."""
    trimmed: list[str] = []
    calls: list[str] | None = None
    for line in lines:
        if line.startswith("Traceback (most recent call last):"):
            calls = []
        elif calls is not None and line.startswith(" "):
            calls += [line] if line.strip(" ~^") else []
        else:
            trimmed += [*(calls or [])[-TRACEBACK_LINES:], line]
            calls = None
    return trimmed + (calls or [])[-TRACEBACK_LINES:]


def readable(line: str) -> list[str]:
    """Unpack a line of gunicorn's JSON log, if it is one; a request gives nothing.

    The end of a traceback names the cause, and a line that is merely cut would lose it.
    """
    try:
        entry = json.loads(line)
    except ValueError:
        return [line]
    if not isinstance(entry, dict):
        return [line]
    if str(entry.get("logger")).endswith(".access"):
        return []
    if "message" not in entry:
        return [line]
    traceback = str(entry.get("exception") or "").splitlines()[-TRACEBACK_LINES:]
    return [f"{entry.get('level', 'INFO')}: {entry['message']}", *traceback]


def shorten(line: str) -> str:
    """Cut the middle out of a long line: what went wrong is said at its start or its end."""
    return line if len(line) <= 400 else f"{line[:150]} … {line[-247:]}"


def run_confined(
    unit: str,
    command: Sequence[str],
    *,
    user: str,
    directory: Path,
    writable: Sequence[Path],
    environment: Mapping[str, str],
    properties: Sequence[str] = (),
    timeout: int = 1800,
) -> subprocess.CompletedProcess[str]:
    """Run one command as a transient unit that can write only to ``writable``.

    A unit and not a plain child: it gets a small share of processor and disk, so that a
    build never starves what serves, and it is the first to go when memory runs out. One
    left over by a killed run is ended first. Raises ``ReleaseError`` only when systemd
    itself is missing; the command's own failure is in the result.
    """
    systemctl("stop", f"{unit}.service", check=False)
    systemctl("reset-failed", f"{unit}.service", check=False)
    settings = [
        f"User={user}",
        f"WorkingDirectory={directory}",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "NoNewPrivileges=yes",
        "CPUWeight=20",
        "IOWeight=20",
        "Nice=10",
        "OOMScoreAdjust=800",
        f"RuntimeMaxSec={timeout}",
        *(f"ReadWritePaths={path}" for path in writable),
        *(f"Environment={_quote(f'{key}={value}')}" for key, value in environment.items()),
        *properties,
    ]
    options = [word for setting in settings for word in ("--property", setting)]
    return _run(["systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--unit={unit}", *options, "--", *command])


def schedule_stop(unit: str, seconds: int) -> None:
    """Stop a unit ``seconds`` from now, whatever becomes of this process: systemd holds the timer."""
    cancel_scheduled_stop(unit)
    _checked(
        [
            "systemd-run",
            "--quiet",
            "--collect",
            f"--unit={_stopper(unit)}",
            f"--on-active={seconds}s",
            "--timer-property=AccuracySec=100ms",
            "systemctl",
            "stop",
            unit,
        ]
    )


def stop_is_scheduled(unit: str) -> bool:
    """Say whether a unit is on its way out already."""
    return unit_state(f"{_stopper(unit)}.timer").running


def cancel_scheduled_stop(unit: str) -> None:
    """Forget a scheduled stop that has not fired yet."""
    systemctl("stop", f"{_stopper(unit)}.timer", check=False)


def _stopper(unit: str) -> str:
    return "stop-" + unit.replace("@", "-").replace(".service", "")


def _quote(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _checked(command: Sequence[str]) -> None:
    done = _run(command)
    if done.returncode:
        raise ReleaseError(f"{command[0]} failed: {' '.join(command)}", tuple(done.stderr.splitlines()[-5:]))


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        raise ReleaseError(f"{command[0]} is not on this host; releases are units of systemd, so it must run") from None
