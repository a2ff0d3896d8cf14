# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that take a store's backups have in common (argument spec: module_utils/store/options.py)."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  folder:
    description: Directory of the backups, which only root may enter.
    type: path
    required: true
  keep:
    description: How many backups are kept.
    type: int
    default: 7
  schedule:
    description: With O(state=scheduled), whether the timer runs.
    type: bool
    default: true
  service:
    description: Text of the unit that takes a backup.
    type: str
  timer:
    description: Text of its timer.
    type: str
"""
