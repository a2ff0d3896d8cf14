# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address under which an app finds its database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode


def database_url(
    scheme: str, user: str, password: str, host: str, port: int, database: str, parameters: Mapping[str, Any]
) -> str:
    """Return a URL such as ``postgresql://shop:secret@10.0.0.5:5432/shop?sslmode=require``."""
    address = f"[{host}]" if ":" in host else host
    query = "?" + urlencode(parameters) if parameters else ""
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{address}:{port}/{quote(database)}{query}"
