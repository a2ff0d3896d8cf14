# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a release, in words for the person on call."""

from __future__ import annotations


class ReleaseError(Exception):
    """A release could not be built or activated.

    ``args[0]`` says what happened, what serves now and what to do next; ``lines`` are the
    last lines of output or journal that explain it (never secrets: only what the
    program itself printed).
    """

    def __init__(self, message: str, lines: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.lines = lines

    def __str__(self) -> str:
        return "\n".join([str(self.args[0]), *(f"  | {line}" for line in self.lines)])
