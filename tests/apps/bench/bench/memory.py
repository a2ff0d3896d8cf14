# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An endpoint that needs memory."""

import os
import random

from . import answer

HELD_MB = 120
COPIED_MB = 8
# Random, so that no page of it can be shared with another worker or compressed away.
HELD = os.urandom(HELD_MB << 20)


def app(environ, start_response):
    """Copy a part of what this worker holds, as a search in an index or a resized picture does."""
    if environ["PATH_INFO"] == "/health":
        return answer(start_response, {})
    first = random.randrange(HELD_MB - COPIED_MB) << 20
    part = bytearray(HELD[first : first + (COPIED_MB << 20)])
    return answer(start_response, {"sum": sum(part[::256])})
