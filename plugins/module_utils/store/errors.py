# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exception that every store's own derive from."""

from __future__ import annotations


class StoreError(Exception):
    """Something about a store or its backups is not as it must be; the message says what to do."""
