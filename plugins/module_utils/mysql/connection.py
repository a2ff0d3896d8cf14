# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk to a server through PyMySQL, and say in words what keeps us from it."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import MysqlError, NoAnswerError
from .server import Server, parse_version

SOCKETS = ("/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")

#: The client's error codes for a server that is not there, or goes away.
UNREACHABLE = (2002, 2003, 2006, 2013)
#: A module's options, described in the fragment mysql_login.
LOGIN_SPEC: dict[str, dict[str, Any]] = {
    "login_user": {"type": "str"},
    "login_password": {"type": "str", "no_log": True},
    "login_host": {"type": "str"},
    "login_port": {"type": "int", "default": 3306},
    "login_unix_socket": {"type": "path"},
    "config_file": {"type": "path", "default": "~/.my.cnf"},
}


@dataclass(frozen=True)
class Login:
    """How to reach a server; the names and meanings are those of community.mysql's modules."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    host: str | None = None
    port: int = 3306
    unix_socket: str | None = None
    config_file: str | None = None

    def socket(self) -> str | None:
        """Return the socket to use: the given one, or without a host the one that is there."""
        if self.unix_socket or self.host:
            return self.unix_socket
        return next((path for path in SOCKETS if os.path.exists(path)), SOCKETS[0])  # noqa: PTH110 (a socket)

    @staticmethod
    def of(options: Mapping[str, Any]) -> Login:
        """Make it of a module's options (``LOGIN_SPEC``)."""
        return Login(
            user=options["login_user"],
            password=options["login_password"],
            host=options["login_host"],
            port=options["login_port"],
            unix_socket=options["login_unix_socket"],
            config_file=options["config_file"],
        )

    @property
    def where(self) -> str:
        return self.socket() or f"{self.host}:{self.port}"


class QueryError(MysqlError):
    """The server refused a statement; ``code`` is its error number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


class Session:
    """One connection. Names of columns come in lower case, because MySQL 8 writes those of its schemas in capitals."""

    def __init__(self, connection: Any, errors: type[Exception]) -> None:
        self._connection = connection
        self._errors = errors

    def rows(self, sql: str, arguments: Sequence[Any] | Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run a statement and return its rows. Raises ``QueryError``."""
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(sql, arguments)
                names = [str(column[0]).lower() for column in cursor.description or ()]
                return [dict(zip(names, row)) for row in cursor.fetchall()]
            except self._errors as error:
                raise _refused(error) from None

    def run(self, sql: str, arguments: Sequence[Any] | None = None) -> None:
        self.rows(sql, arguments)

    def value(self, sql: str, arguments: Sequence[Any] | None = None) -> Any:
        """Return the first column of the first row, or ``None``."""
        found = self.rows(sql, arguments)
        return next(iter(found[0].values())) if found else None

    def fetch_all(self, sql: str, arguments: Sequence[Any] | None = None) -> int:
        """Run a query as an app would, take all its rows and return how many there were."""
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(sql, arguments)
                return len(cursor.fetchall())
            except self._errors as error:
                raise _refused(error) from None

    def server(self) -> Server:
        return parse_version(str(self.value("SELECT VERSION()")))

    def close(self) -> None:
        with contextlib.suppress(self._errors):
            self._connection.close()


def _refused(error: Exception) -> QueryError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return QueryError(code, str(error.args[1] if len(error.args) > 1 else error))


def quoted(name: str) -> str:
    """Return an identifier as SQL has it."""
    return "`" + name.replace("`", "``") + "`"


@contextlib.contextmanager
def connected(login: Login, database: str | None = None, timeout: int = 10) -> Iterator[Session]:
    """Open a session for the block. Raises ``MysqlError`` that says why there is none."""
    session = connect(login, database, timeout)
    try:
        yield session
    finally:
        session.close()


def connect(login: Login, database: str | None = None, timeout: int = 10) -> Session:
    """Open a session. Raises ``MysqlError`` that says why there is none and what to do."""
    try:
        driver: Any = importlib.import_module("pymysql")
    except ImportError:
        raise MysqlError("PyMySQL is missing on this host; install the package python3-pymysql") from None
    options: dict[str, Any] = {"connect_timeout": timeout, "autocommit": True, "charset": "utf8mb4"}
    config_file = os.path.expanduser(login.config_file or "")  # noqa: PTH111 (may be empty)
    if config_file and os.path.exists(config_file):  # noqa: PTH110
        options["read_default_file"] = config_file
    socket = login.socket()
    options.update({"unix_socket": socket} if socket else {"host": login.host, "port": login.port})
    if login.user:
        options["user"] = login.user
    if login.password:
        options["password"] = login.password
    if database:
        options["database"] = database
    try:
        return Session(driver.connect(**options), driver.MySQLError)
    except driver.MySQLError as error:
        refused = _refused(error)
        kind = NoAnswerError if refused.code in UNREACHABLE else MysqlError
        raise kind(_why_not(login, database, refused)) from None


def _why_not(login: Login, database: str | None, error: QueryError) -> str:
    if error.code in (1045, 1698):
        return (
            f"the server on {login.where} refuses user {login.user or 'root'!r}: wrong password, or no such user from "
            "here. On its own host root needs none where the server has unix_socket (MariaDB) or auth_socket (MySQL) "
            f"for it; else set login_user and login_password, or write /root/.my.cnf. It said: {error}"
        )
    if error.code in UNREACHABLE:
        return (
            f"no server answers on {login.where}. systemctl status mariadb (or mysql) and its journal say why; "
            f"if it listens elsewhere, set login_unix_socket or login_host. It said: {error}"
        )
    if error.code == 1040:
        return (
            f"the server on {login.where} has no connection left, not even root's own; raise max_connections: {error}"
        )
    if error.code == 1049:
        return f"there is no database {database!r} on {login.where}"
    return f"cannot connect to {login.where}: {error}"
