# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a Redis server, in words for the person on call."""

from __future__ import annotations

from ..store.errors import StoreError


class RedisError(StoreError):
    """Something about Redis or Valkey is not as it must be.

    ``args[0]`` says what happened, what is as before and what to do next; ``lines`` are the last lines
    that the server or a tool printed about it.
    """

    def __init__(self, message: str, lines: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.lines = lines

    def __str__(self) -> str:
        return "\n".join([str(self.args[0]), *(f"  | {line}" for line in self.lines)])


class ServerDownError(RedisError):
    """Nobody answers where the server should listen."""


class LoginError(RedisError):
    """The server answers and refuses the user or the password."""


class ReplyError(RedisError):
    """The server refused a command; ``args[0]`` is its answer."""
