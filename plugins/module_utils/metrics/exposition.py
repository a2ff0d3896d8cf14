# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask an exporter, and read its answer (Prometheus' text format)."""

from __future__ import annotations

import contextlib
import http.client
import re
from urllib.parse import urlsplit

SECONDS = 10.0


def value_of(text: str, name: str) -> float | None:
    """Return the value of the first sample of ``name``, whatever its labels; ``None`` without one."""
    found = re.search(rf"^{re.escape(name)}(?:\{{.*\}})?\s+(\S+)", text, re.MULTILINE)
    with contextlib.suppress(ValueError):
        return float(found[1]) if found else None
    return None


def ask(url: str, seconds: float = SECONDS) -> str | None:
    """Return what is at ``url``; ``None`` when nobody answers, or not with 200."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=seconds)
    try:
        connection.request("GET", place.path or "/")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body.decode("utf-8", "replace") if answer.status == 200 else None
