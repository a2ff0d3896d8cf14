# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on this host: where it keeps what, how to reach it, and what systemd says of it."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..files import write_atomically
from . import acl
from .client import Client, wait_until_ready
from .data import APPEND_FILE, APPEND_FOLDER, DUMP
from .errors import RedisError, ServerDownError

SERVER_OPTIONS = ("binary", "unit", "user", "config", "acl", "drop_in", "socket", "data", "password")
#: What modules take as their option ``server``.
SERVER_SPEC: dict[str, Any] = {
    "type": "dict",
    "required": True,
    "options": {
        name: {"type": "str" if name in ("unit", "user") else "path", "required": True, "no_log": False}
        for name in SERVER_OPTIONS
    },
}
#: Seconds that an empty server may take to start.
SCRATCH_SECONDS = 15.0
_SCRATCH = "webstack-redis-"
#: A limit of the version 1 hierarchy that is not set reads as the largest multiple of a page.
_UNLIMITED = 1 << 62
#: What a server says when it ends at once, and what that means to whoever reads it.
_KNOWN = {
    "Unsupported system page size": (
        "this kernel has pages of {page} KiB, and {binary} was built for smaller ones: boot a kernel with pages of "
        "4 KiB (Raspberry Pi: kernel=kernel8.img in config.txt), or install a build for this one"
    ),
    "ARM64-COW-BUG": (
        "this kernel has a bug by which saving in the background can corrupt data: install a newer kernel "
        "(5.12, or an older one with the fix), or, knowing that, set ignore-warnings: ARM64-COW-BUG in redis_settings"
    ),
}


@dataclass(frozen=True)
class Server:
    """What is where. ``unit`` is a systemd unit, ``user`` whom it runs as, ``drop_in`` our part of its unit file."""

    binary: Path
    unit: str
    user: str
    config: Path
    acl: Path
    drop_in: Path
    socket: Path
    data: Path
    password: Path

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Server:
        """Make one of a module's options or of a program's configuration."""
        paths: dict[str, Any] = {name: Path(options[name]) for name in SERVER_OPTIONS}
        return cls(**{**paths, "unit": options["unit"], "user": options["user"]})

    @property
    def checker(self) -> Path:
        """Return the program that checks a dump."""
        return self.binary.with_name(self.binary.name.replace("-server", "-check-rdb"))

    @property
    def there(self) -> bool:
        """Say whether the package is installed."""
        return self.binary.exists()

    def structure(self) -> dict[str, object]:
        """Return the settings that say where it keeps what, which are not for the inventory to change."""
        return {
            "aclfile": str(self.acl),
            "appenddirname": APPEND_FOLDER,
            "appendfilename": APPEND_FILE,
            "daemonize": False,
            "dbfilename": DUMP,
            "dir": str(self.data),
            "supervised": "systemd",
            "unixsocket": str(self.socket),
            "unixsocketperm": "777",
        }

    def admin_password(self) -> str | None:
        """Return the administrator's password; ``None`` when there is none yet."""
        try:
            return self.password.read_text(encoding="utf-8").strip() or None
        except OSError:
            return None

    def make_admin_password(self) -> str:
        """Make a password that only root can read."""
        password = secrets.token_urlsafe(32)
        self.password.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write(self.password, password + "\n", 0o600)
        return password

    @property
    def monitor(self) -> Path:
        """Return the file with the password of the user that reads figures, as systemd's EnvironmentFile= wants it."""
        return self.password.with_name(self.password.name.replace("-admin.password", "-metrics.env"))

    def monitor_password(self) -> str | None:
        """Return the password of the user that reads figures; ``None`` when there is none yet."""
        try:
            return self.monitor.read_text(encoding="utf-8").strip().partition("REDIS_PASSWORD=")[2] or None
        except OSError:
            return None

    def make_monitor_password(self) -> str:
        """Make one in a file that only root can read."""
        password = secrets.token_urlsafe(32)
        self.monitor.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write(self.monitor, f"REDIS_PASSWORD={password}\n", 0o600)
        return password

    def connect(self) -> Client:
        """Return an administrator's connection. Raises ``ServerDownError``, ``LoginError``."""
        client = Client(self.socket)
        try:
            client.log_in(acl.ADMINISTRATOR, self.admin_password() or "")
        except RedisError:
            client.__exit__()
            raise
        return client


def write(path: Path, text: str, mode: int, group: int = 0) -> None:
    """Replace a file at once: whoever reads it sees the old or the new text, also after a power cut.

    Raises ``RedisError`` when the disk is full; the old file is there then.
    """
    try:
        write_atomically(path, text, mode, group)
    except OSError as error:
        raise RedisError(f"{path} could not be written: {error.strerror}; the old one is still there") from error


@dataclass(frozen=True)
class Understood:
    """What a server makes of a configuration and an ACL file."""

    config: dict[str, str]
    users: dict[str, acl.Line]


def try_out(server: Server, config_text: str, acl_text: str) -> Understood:
    """Start a server of the same kind with a configuration, empty and apart, and ask what it understood.

    Raises ``RedisError`` with its own words when it does not start.
    """
    account = pwd.getpwnam(server.user)
    _sweep(Path("/run"))
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir="/run") as name:
        place = Path(name)
        os.chown(place, account.pw_uid, account.pw_gid)
        ports = [0 if _port(config_text, key) == 0 else _free_port() for key in ("port", "tls-port")]
        own = (
            f"dir {place}", f"aclfile {place}/users.acl", f"unixsocket {place}/socket", "unixsocketperm 700",
            f"pidfile {place}/pid", 'logfile ""', "daemonize no", "supervised no",
            f"port {ports[0]}", f"tls-port {ports[1]}",
        )  # fmt: skip
        replaced = {line.split()[0] for line in own}
        kept = [line for line in config_text.splitlines() if line.split()[:1] and line.split()[0] not in replaced]
        for file, text in (("users.acl", acl_text), ("server.conf", "\n".join([*kept, *own]) + "\n")):
            (place / file).write_text(text, encoding="utf-8")
            (place / file).chmod(0o400)
            os.chown(place / file, account.pw_uid, account.pw_gid)
        with _running(server, account, place) as client:
            lines = client.call("ACL", "LIST")
            return Understood(client.config(), acl.parse(lines))


def _as(account: pwd.struct_passwd) -> list[str]:
    """Return the command that runs another as ``account``, and ends it with this process, however that ends."""
    ids = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return ["setpriv", *ids, "--pdeathsig=KILL", "--"]


def _sweep(parent: Path) -> None:
    """Remove what runs that were killed have left; a scratch server is there for seconds."""
    for path in parent.glob(f"{_SCRATCH}*"):
        if path.stat().st_mtime < time.time() - 10 * SCRATCH_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _running(server: Server, account: pwd.struct_passwd, place: Path) -> Iterator[Client]:
    log = place / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_as(account), str(server.binary), str(place / "server.conf")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=place,
        )

    def connect() -> Client:
        if process.poll() is not None:
            raise RedisError(explain(log.read_text("utf-8", "replace"), server.binary))
        client = Client(place / "socket")
        client.log_in(acl.ADMINISTRATOR, server.admin_password() or "")
        return client

    try:
        with wait_until_ready(connect, SCRATCH_SECONDS) as client:
            yield client
    finally:
        process.kill()
        process.wait()


def explain(output: str, binary: Path, page_size: int | None = None) -> str:
    """Say why a server did not start, from what it printed."""
    for sign, meaning in _KNOWN.items():
        if sign in output:
            page = (page_size or os.sysconf("SC_PAGE_SIZE")) // 1024
            return f"nothing was changed: {meaning.format(page=page, binary=binary)}"
    # 1456:M 24 Nov 2026 03:39:20.839 # Failed listening on port 6379 (tcp), aborting.
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    warnings = [line.partition(" # ")[2] for line in lines if " # " in line and " # WARNING" not in line]
    for told, unless in ((lines, ""), (warnings, "it is not known")):
        at = next((number for number, line in enumerate(told) if line.startswith(">>> ")), None)
        if at is not None:
            why = unless or "".join(told[at + 1 : at + 2])
            setting = told[at][4:].strip("'")
            return f"nothing was changed: {binary.name} refuses {setting!r}: {why}; correct redis_settings"
    shown = tuple((warnings or lines)[-6:])
    return str(RedisError(f"nothing was changed: {binary.name} would not start with this configuration", shown))


def _port(config_text: str, key: str) -> int:
    """Return the last value of a port in a file; 1 stands for one that the server will refuse."""
    values = [line.split()[1] for line in config_text.splitlines() if line.split()[:1] == [key] and line.split()[1:]]
    if not values:
        return 0 if key == "tls-port" else 1
    return int(values[-1]) if values[-1].isdecimal() else 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Unit:
    """What systemd and the kernel say of the server's unit."""

    active: str
    enabled: bool
    needs_reload: bool
    pid: int
    memory_max_mb: int | None

    @property
    def running(self) -> bool:
        return self.active in ("active", "reloading", "activating")


def unit(name: str) -> Unit:
    """Look at a unit; an unknown one is inactive."""
    keys = ("ActiveState", "UnitFileState", "NeedDaemonReload", "MainPID", "ControlGroup")
    lines = systemctl("show", name, "--property=" + ",".join(keys), check=False).splitlines()
    shown = dict(line.split("=", 1) for line in lines if "=" in line)
    pid = int(shown.get("MainPID") or 0)
    return Unit(
        active=shown.get("ActiveState", "inactive"),
        enabled=shown.get("UnitFileState") == "enabled",
        needs_reload=shown.get("NeedDaemonReload") == "yes",
        pid=pid,
        memory_max_mb=memory_max_mb(shown.get("ControlGroup", "")) if pid else None,
    )


def systemctl(*arguments: str, check: bool = True) -> str:
    """Run systemctl and return what it printed. Raises ``RedisError`` when ``check`` and it failed."""
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, errors="replace", check=False)
    if check and done.returncode:
        raise RedisError(f"systemctl {' '.join(arguments)} failed", tuple(done.stderr.splitlines()[-5:]))
    return done.stdout


def journal(name: str, lines: int = 6) -> tuple[str, ...]:
    """Return a unit's last lines in the journal."""
    command = ["journalctl", "--unit", name, "--output=cat", "--no-pager", f"--lines={lines}"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return tuple(done.stdout.splitlines())


def last_lines(log: Path, lines: int = 6) -> tuple[str, ...]:
    """Return a log's last lines; none when it cannot be read."""
    try:
        with log.open("rb") as handle:
            handle.seek(max(0, handle.seek(0, os.SEEK_END) - 8192))
            return tuple(handle.read().decode("utf-8", "replace").splitlines()[-lines:])
    except OSError:
        return ()


def limit_memory(name: str, megabytes: int) -> None:
    """Hold a running unit to a limit now; the next start takes it from the unit file, which must have the same."""
    systemctl("set-property", "--runtime", name, f"MemoryMax={megabytes}M")
    # What this leaves would win over the unit file until the next reboot.
    folder = Path("/run/systemd/system.control") / f"{name}.d"
    (folder / "50-MemoryMax.conf").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
    systemctl("daemon-reload")


def memory_max_mb(group: str, cgroups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return a control group's own memory limit (MiB), in either version's hierarchy; ``None`` when it has none."""
    name = group.lstrip("/")
    for limit in (cgroups / name / "memory.max", cgroups / "memory" / name / "memory.limit_in_bytes"):
        try:
            value = limit.read_text(encoding="ascii").strip()
        except OSError:
            continue
        return int(value) >> 20 if name and value.isdecimal() and int(value) < _UNLIMITED else None
    return None


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def first_that_answers(addresses: Sequence[Path | tuple[str, int]]) -> Client | None:
    """Return a connection to the first address where somebody listens."""
    for address in addresses:
        with contextlib.suppress(ServerDownError):
            return Client(address)
    return None
