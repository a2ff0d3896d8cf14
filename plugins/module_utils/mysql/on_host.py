# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command webstack-mysql consists of, and what it is told."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .. import files
from ..store import errors as store_errors
from ..store import lock
from ..store.timer import Program
from . import backup, connection, dump, errors, program, server

PROGRAM = Program("mysql", (program, backup, connection, dump, errors, server, files, lock, store_errors))


def configuration(store: backup.Store, keep: int) -> dict[str, Any]:
    """Return what the program is told: where, of what, how many, and how to log in."""
    return {
        "folder": str(store.folder),
        "keep": keep,
        "databases": list(store.databases),
        "login": asdict(store.login),
    }
