# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading /proc and /sys below a root directory.

Everything that this package knows of a machine passes through :class:`Tree`. A file that is
missing, unreadable, binary or no regular file reads as ``None``; nothing here raises for it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable

# Most files are a line or a page; anything longer is not what the kernel would say.
READ_LIMIT = 128 << 10
# A /proc/cpuinfo of 4096 x86 CPUs has about 6 MB, and a host of containers has thousands of mounts.
LONG_READ_LIMIT = 8 << 20
LINK_LIMIT = 40
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


class HardwareError(Exception):
    """The machine cannot be read, or a tree cannot be written. The message says what to do."""


class Tree:
    """A root directory whose files are read, never followed to the outside."""

    def __init__(self, root: str | os.PathLike[str] = "/") -> None:
        try:
            self.root = os.path.realpath(root)
            is_directory = os.path.isdir(self.root)  # noqa: PTH112 - no pathlib on this path, for its cost
        except (OSError, ValueError) as error:
            raise HardwareError(f"root {os.fspath(root)!r} cannot be used: {error}") from error
        if not is_directory:
            raise HardwareError(
                f"root {os.fspath(root)!r} is not a directory: give '/' or a tree that 'capture' has written"
            )
        self.live = self.root == "/"
        self._directories: dict[str, str | None] = {"": self.root}

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        """Return the file's bytes, at most ``limit``, or None."""
        located = self._locate(path)
        if located is None:
            return None
        try:
            # O_NONBLOCK: a FIFO in a tree must not make us wait.
            handle = os.open(located, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except (OSError, ValueError):
            return None
        try:
            return _read_all(handle, limit) if stat.S_ISREG(os.fstat(handle).st_mode) else None
        except OSError:
            return None
        finally:
            os.close(handle)

    def text(self, path: str, limit: int = READ_LIMIT) -> str | None:
        """Return the file's text, or None. Bytes that are no UTF-8 are replaced."""
        data = self.read(path, limit)
        return None if data is None else data.decode("utf-8", "replace")

    def line(self, path: str) -> str | None:
        """Return the file's first line without blanks or NULs around it; None when it is empty."""
        text = self.text(path)
        if text is None:
            return None
        return text.strip("\0 \t\r\n").split("\n", 1)[0].strip() or None

    def integer(self, path: str) -> int | None:
        """Return the file's content where it is one decimal integer."""
        return as_integer(self.line(path))

    def names(self, path: str) -> list[str]:
        """Return the names in a directory, sorted; empty when there is none."""
        located = self._locate(path)
        try:
            return sorted(os.listdir(located)) if located is not None else []  # noqa: PTH208
        except (OSError, ValueError):
            return []

    def exists(self, path: str) -> bool:
        """Tell whether the path is there."""
        located = self._locate(path)
        try:
            return located is not None and os.path.exists(located)  # noqa: PTH110
        except ValueError:
            return False

    def noted(self, path: str, ask: Callable[[], str | None]) -> str | None:
        """Return what is in no file of a running machine; a captured tree has it in one."""
        return ask() if self.live else self.line(path)

    def link_target(self, path: str) -> str | None:
        """Return where the path leads, as a path below the root; None when it leads nowhere."""
        if self.live:
            real = os.path.realpath("/" + path)
        else:
            inside = self._resolve(path.split("/"))
            if inside is None:
                return None
            real = "/" + inside[len(self.root) :].lstrip("/")
        return real if self.exists(real.lstrip("/")) else None

    def _locate(self, path: str) -> str | None:
        if self.live:
            return "/" + path
        directory, _unused, name = path.rpartition("/")
        if directory not in self._directories:
            self._directories[directory] = self._resolve(directory.split("/"))
        parent = self._directories[directory]
        if parent is None:
            return None
        return self._resolve([name], parent)

    def _resolve(self, parts: list[str], start: str | None = None) -> str | None:
        """Resolve symbolic links as if the tree's root were the root."""
        current = start or self.root
        pending = list(reversed(parts))
        links = 0
        while pending:
            part = pending.pop()
            if part in ("", "."):
                continue
            if part == "..":
                current = os.path.dirname(current) if current != self.root else current  # noqa: PTH120
                continue
            try:
                target = os.readlink(f"{current}/{part}")  # noqa: PTH115
            except (OSError, ValueError):
                current = f"{current}/{part}"
                continue
            links += 1
            if links > LINK_LIMIT:
                return None
            current = self.root if target.startswith("/") else current
            pending.extend(reversed(target.split("/")))
        return current


def as_integer(text: str | None) -> int | None:
    """Return the text as an integer, or None when it is anything else."""
    if text is None or not _INTEGER.fullmatch(text.strip()):
        return None
    return int(text)


def _read_all(handle: int, limit: int) -> bytes:
    chunks = []
    while limit > 0:
        chunk = os.read(handle, min(limit, 1 << 16))
        if not chunk:
            break
        chunks.append(chunk)
        limit -= len(chunk)
    return b"".join(chunks)
