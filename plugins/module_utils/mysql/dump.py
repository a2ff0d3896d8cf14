# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a database to a file and load it again, through the server's own client programs."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

from ..files import digest_of
from .connection import Login
from .errors import MysqlError
from .server import Server

_DUMP, _LOAD = ("mariadb-dump", "mysqldump"), ("mariadb", "mysql")
_COMPLETE = b"-- Dump completed"
_INSERT = re.compile(rb"INSERT INTO `((?:[^`]|``)+)` ")
_PIECE = 1 << 20


class FullError(MysqlError):
    """A disk has no room left."""


def client(names: Sequence[str]) -> str:
    for name in names:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/bin:/usr/local/bin:/usr/local/mysql/bin")
        if path:
            return path
    raise MysqlError(f"none of {' and '.join(names)} is on this host; install the server's client programs")


@contextlib.contextmanager
def options_file(login: Login) -> Iterator[list[str]]:
    """Yield the options with which a client program logs in; a password is in a file that only root reads."""
    lines = ["[client]"]
    if login.socket():
        lines.append(f"socket = {login.socket()}")
    if login.user:
        lines.append(f"user = {_quoted(login.user)}")
    if login.password:
        lines.append(f"password = {_quoted(login.password)}")
    descriptor, name = tempfile.mkstemp(prefix="webstack-", suffix=".cnf")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write("\n".join(lines) + "\n")
        # The file is read before ~/.my.cnf, so it must not be alone where that has the password.
        yield [f"--defaults-extra-file={name}" if login.password is None else f"--defaults-file={name}"]
    finally:
        os.unlink(name)  # noqa: PTH108


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


class Counter:
    """Count the rows of a dump as it passes by, where each is a line of its own, as MariaDB writes them."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.last = b""
        self._rest = b""
        self._table: str | None = None

    def feed(self, piece: bytes) -> None:
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._line(line)

    def end(self) -> None:
        if self._rest:
            self._line(self._rest)

    def _line(self, line: bytes) -> None:
        if line.startswith(b"("):
            if self._table is not None:
                self.rows[self._table] += 1
            return
        found = _INSERT.match(line)
        if found:
            self._table = found[1].decode().replace("``", "`")
            self.rows.setdefault(self._table, 0)
            return
        self._table = None
        if line.strip():
            self.last = line


def dump(login: Login, server: Server, database: str, target: Path, options: Sequence[str] = ()) -> dict[str, Any]:
    """Write a database to ``target`` (gzip) as of one moment, and return its digest, size and rows by table.

    Nobody is locked out meanwhile. Raises ``MysqlError``; nothing of an incomplete dump is left.
    """
    general = ["--single-transaction", "--quick", "--hex-blob", "--default-character-set=utf8mb4"]
    if not server.is_mariadb:
        general += ["--set-gtid-purged=OFF", "--no-tablespaces"]
    counter = Counter()
    with options_file(login) as how:
        # Options files' options count only before the others.
        command = [client(_DUMP), *how, *general, *options, "--", database]
        try:
            digest, size = _write(command, target, counter)
        except OSError as error:
            target.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise FullError(f"{target.parent} is full") from None
            raise
        except MysqlError:
            target.unlink(missing_ok=True)
            raise
    if not counter.last.startswith(_COMPLETE):
        target.unlink(missing_ok=True)
        raise MysqlError(f"the dump of {database} has no end: its last line is {counter.last[:80]!r}")
    return {"file": target.name, "sha256": digest, "bytes": size, "rows": counter.rows if server.is_mariadb else None}


def _write(command: Sequence[str], target: Path, counter: Counter) -> tuple[str, int]:
    with tempfile.TemporaryFile() as errors, target.open("wb") as raw:
        target.chmod(0o600)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
            output = cast(IO[bytes], process.stdout)
            try:
                with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=4, mtime=0) as packed:
                    while piece := output.read(_PIECE):
                        counter.feed(piece)
                        packed.write(piece)
                counter.end()
            except BaseException:
                process.kill()
                raise
        raw.flush()
        os.fsync(raw.fileno())
        if process.returncode:
            errors.seek(0)
            raise MysqlError(f"mariadb-dump failed: {_last_words(errors.read())}")
    return digest_of(target), target.stat().st_size


def load(login: Login, database: str, source: Path, binlog: bool = True) -> None:
    """Load a dump into a database that is there. Without ``binlog`` replicas see nothing of it."""
    with options_file(login) as how, tempfile.TemporaryFile() as errors, gzip.open(source, "rb") as packed:
        init = [] if binlog else ["--init-command=SET SESSION sql_log_bin=0"]
        command = [client(_LOAD), *how, "--binary-mode", "--default-character-set=utf8mb4", *init, "--", database]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors) as process:
            statements = cast(IO[bytes], process.stdin)
            with contextlib.suppress(BrokenPipeError):
                _pour(packed, statements)
            with contextlib.suppress(BrokenPipeError):
                statements.close()
            process.wait()
        if process.returncode:
            errors.seek(0)
            said = _last_words(errors.read())
            kind = FullError if "is full" in said or "Errcode: 28" in said else MysqlError
            raise kind(f"{source.name} cannot be loaded into {database}: {said}")


def _pour(source: gzip.GzipFile, target: IO[bytes]) -> None:
    while piece := source.read(_PIECE):
        target.write(piece)


def _last_words(errors: bytes) -> str:
    lines = [line for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    return " / ".join(lines[-3:]) or "it said nothing"
