# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a MySQL or MariaDB server, in words for the person on call."""

from __future__ import annotations

from ..store.errors import StoreError


class MysqlError(StoreError):
    """Nothing was done, or not all of it; the message says what, why, and the way out. Never has a secret."""


class NoAnswerError(MysqlError):
    """No server answers where one should."""
