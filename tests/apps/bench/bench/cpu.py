# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An endpoint that computes."""

import hashlib
import json

from . import answer


def app(environ, start_response):
    """Compute for some milliseconds, as rendering a page does."""
    if environ["PATH_INFO"] == "/health":
        return answer(start_response, {})
    items = [{"id": i, "name": f"item {i * 7919 % 1009}", "price": i * 31 % 997 / 10} for i in range(1200)]
    items.sort(key=lambda item: (item["price"], item["name"]))
    text = json.dumps(items[:400]).encode()
    return answer(start_response, {"digest": hashlib.sha256(text).hexdigest()})
