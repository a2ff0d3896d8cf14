# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of this package."""

from __future__ import annotations


class SizingError(ValueError):
    """No plan can be made: the message names the variable or the need, the value and the way out."""
