# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with exporters."""

from __future__ import annotations

from collections.abc import Sequence


class MetricsError(Exception):
    """Something that a person has to see to; ``log`` are lines that say more."""

    def __init__(self, message: str, log: Sequence[str] = ()) -> None:
        super().__init__(message + "".join(f"\n  {line}" for line in log))
