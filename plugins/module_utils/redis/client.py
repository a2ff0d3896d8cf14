# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk to a Redis or Valkey server: its wire protocol, as far as administration needs it."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from .errors import LoginError, RedisError, ReplyError, ServerDownError

#: Seconds that the server may take for one answer.
ANSWER_SECONDS = 30.0
_REFUSED = ("WRONGPASS", "NOAUTH", "NOPERM")


class Client:
    """One connection. ``call`` returns str, int, None or lists of them; bytes that are no UTF-8 are replaced."""

    def __init__(self, address: Path | tuple[str, int], timeout: float = ANSWER_SECONDS) -> None:
        """Connect to a unix socket or to a host and port. Raises ``ServerDownError``."""
        self._address = address
        try:
            self._socket = _connect(address, timeout)
        except OSError as error:
            raise ServerDownError(f"no server answers on {self.where}: {error.strerror or error}") from error
        self._reader: IO[bytes] = self._socket.makefile("rb")

    @property
    def where(self) -> str:
        return str(self._address) if isinstance(self._address, Path) else "{}:{}".format(*self._address)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_unused: object) -> None:
        self._reader.close()
        self._socket.close()

    def call(self, *words: str | int) -> Any:
        """Send one command and return the answer.

        Raises ``ReplyError`` when the server refuses it, ``LoginError`` when it wants another user or password,
        ``ServerDownError`` when it goes away meanwhile.
        """
        parts = [str(word).encode() for word in words]
        try:
            self._socket.sendall(
                b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
            )
            return self._read()
        except OSError as error:
            raise ServerDownError(f"the server on {self.where} went away: {error.strerror or error}") from error

    def log_in(self, user: str, password: str) -> None:
        """Become ``user``. Raises ``LoginError``."""
        try:
            self.call("AUTH", user, password)
        except (LoginError, ReplyError) as error:
            raise LoginError(f"the server on {self.where} refuses the user {user}: {error}") from error

    def info(self, section: str) -> dict[str, str]:
        """Return one section of INFO."""
        lines = str(self.call("INFO", section)).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))

    def config(self) -> dict[str, str]:
        """Return every setting that the server runs with."""
        answer = self.call("CONFIG", "GET", "*")
        return dict(zip(answer[::2], answer[1::2]))

    def _read(self) -> Any:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode("utf-8", "replace")
        if kind == b"-":
            text = rest.decode("utf-8", "replace")
            raise (LoginError if text.startswith(_REFUSED) else ReplyError)(text)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._exactly(int(rest)).decode("utf-8", "replace")
        if kind == b"*":
            return None if rest == b"-1" else [self._read() for _unused in range(int(rest))]
        raise RedisError(f"{self.where} does not speak Redis' protocol: it answered {line[:40]!r}")

    def _line(self) -> bytes:
        line = self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise ServerDownError(f"the server on {self.where} closed the connection")
        return line[:-2]

    def _exactly(self, size: int) -> bytes:
        data = self._reader.read(size + 2)
        if len(data) != size + 2:
            raise ServerDownError(f"the server on {self.where} closed the connection")
        return data[:-2]


def wait_until_ready(client_of: Any, seconds: float) -> Client:
    """Return a connection to a server that has loaded its data; ``client_of`` makes one.

    Raises what the last attempt raised when that takes longer than ``seconds``.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            client: Client = client_of()
            if client.info("persistence").get("loading") == "0":
                return client
            problem: RedisError = ServerDownError(f"the server on {client.where} is still loading its data")
            client.__exit__()
        except (ServerDownError, ReplyError) as error:
            problem = error
        if time.monotonic() > end:
            raise problem
        time.sleep(0.05)


def _connect(address: Path | tuple[str, int], timeout: float) -> socket.socket:
    if not isinstance(address, Path):
        return socket.create_connection(address, timeout)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(str(address))
    except OSError:
        connection.close()
        raise
    return connection


def flag(info: Mapping[str, str], name: str) -> bool:
    """Say whether INFO has a field that is 1."""
    return info.get(name) == "1"
