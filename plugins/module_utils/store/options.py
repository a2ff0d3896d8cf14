# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules which take backups have in common, described in the fragment store_backup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BACKUP_SPEC: Mapping[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["taken", "restored", "scheduled"], "required": True},
    "folder": {"type": "path", "required": True},
    "keep": {"type": "int", "default": 7},
    "schedule": {"type": "bool", "default": True},
    "service": {"type": "str"},
    "timer": {"type": "str"},
}
#: For ``required_if``.
UNITS_NEEDED = ("state", "scheduled", ("service", "timer"))
