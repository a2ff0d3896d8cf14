# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions of this package; their messages are for users."""

from __future__ import annotations


class PostgresError(Exception):
    """Something that the inventory asks of PostgreSQL cannot be meant; the message says what to write instead."""
