# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where every number of a plan is written down: its value, its reason, and who chose it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import SizingError
from .types import Given


class Sheet:
    """Reasons and warnings of one plan; a number that the user gave replaces the computed one.

    Reasons are kept by dotted path (``gunicorn.agente.workers``) and start with the value.
    """

    def __init__(self, given: Mapping[str, Given] | None = None) -> None:
        self._given = dict(given or {})
        self._unused = set(self._given)
        self._numbers: set[str] = set()
        self.reasons: dict[str, str] = {}
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Note something that a careful operator would want to know, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def note(self, path: str, value: Any, reason: str) -> None:
        """Write down the reason of a value which cannot be overridden."""
        self.reasons[path] = f"{_show(value)}: {reason}"

    def given_integer(self, path: str, minimum: int = 1) -> int | None:
        """Return the user's own whole number for ``path``, None where there is none."""
        given = self._take(path)
        if given is None:
            return None
        value = given.value
        if isinstance(value, str) and value.strip().isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise SizingError(f"{given.origin}: {given.value!r} is not a whole number; give one, or remove it")
        if value < minimum:
            raise SizingError(f"{given.origin}: {value} is too small; the least is {minimum}")
        return value

    def given_boolean(self, path: str) -> bool | None:
        """Return the user's own true or false for ``path``, None where there is none."""
        given = self._take(path)
        if given is None:
            return None
        if not isinstance(given.value, bool):
            raise SizingError(f"{given.origin}: {given.value!r} is neither true nor false; give one, or remove it")
        return given.value

    def given_text(self, path: str) -> str | None:
        """Return the user's own words for ``path``, None where there are none."""
        given = self._take(path)
        if given is None:
            return None
        if isinstance(given.value, bool) or not isinstance(given.value, (str, int)):
            raise SizingError(f"{given.origin}: {given.value!r} is no text; put it into quotes, or remove it")
        return str(given.value).strip()

    def integer(self, path: str, computed: int, reason: str, minimum: int = 1) -> int:
        """Return the user's number for ``path`` or else ``computed``, and write down why."""
        given = self.given_integer(path, minimum)
        value = computed if given is None else given
        self._write(path, value, computed, reason)
        return value

    def boolean(self, path: str, computed: bool, reason: str) -> bool:
        """Return the user's choice for ``path`` or else ``computed``, and write down why."""
        given = self.given_boolean(path)
        value = computed if given is None else given
        self._write(path, value, computed, reason)
        return value

    def number(self, path: str, computed: float, reason: str) -> float:
        """Return the user's number above 0 for ``path`` or else ``computed``, and write down why."""
        given = self._take(path)
        if given is not None and (isinstance(given.value, bool) or not isinstance(given.value, (int, float))):
            raise SizingError(f"{given.origin}: {given.value!r} is not a number; give one, or remove it")
        if given is not None and given.value <= 0:
            raise SizingError(f"{given.origin}: {given.value} is too small; it must be above 0")
        value = computed if given is None else float(given.value)
        self._write(path, value, computed, reason)
        return value

    def choice(self, path: str, computed: str, reason: str, allowed: Sequence[str]) -> str:
        """Return the user's choice among ``allowed`` for ``path`` or else ``computed``, and write down why."""
        given = self._take(path)
        if given is not None and given.value not in allowed:
            raise SizingError(f"{given.origin}: {given.value!r} is not one of {', '.join(sorted(allowed))}")
        value = computed if given is None else str(given.value)
        self._write(path, value, computed, reason)
        return value

    def text(self, path: str, given: str | None, computed: str, reason: str) -> str:
        """Return ``given``, which the caller has read and checked, or else ``computed``, and write down why."""
        value = computed if given is None else given
        self._write(path, value, computed, reason)
        return value

    def origin(self, path: str) -> str:
        """Return the variable that gave ``path``."""
        return self._given[path].origin

    def reject_unused(self) -> None:
        """Raise ``SizingError`` when the user gave a number that this plan does not have."""
        sections = {path.split(".")[0] for path in self.reasons}
        for path in sorted(self._unused):
            if path.split(".")[0] in sections:
                raise SizingError(f"{self._given[path].origin}: nothing to override; {self._hint(path)}")

    def _hint(self, path: str) -> str:
        close = difflib.get_close_matches(path, self._numbers, n=1)
        if close:
            return f"did you mean {close[0]}?"
        section = path.split(".")[0] + "."
        return "known are " + ", ".join(sorted(known for known in self._numbers if known.startswith(section)))

    def _take(self, path: str) -> Given | None:
        self._unused.discard(path)
        return self._given.get(path)

    def _write(self, path: str, value: Any, computed: Any, reason: str) -> None:
        self._numbers.add(path)
        if path not in self._given:
            self.note(path, value, reason)
        elif value == computed:
            self.note(path, value, f"given by {self.origin(path)}; the same would be computed")
        else:
            self.note(path, value, f"given by {self.origin(path)}; computed: {_show(computed)} ({reason})")


def _show(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
