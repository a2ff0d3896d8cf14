# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web application without a framework, to be deployed as a wheel."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer every request with the version of the wheel and the release."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"version": version("packaged"), "release": os.environ.get("WEBSTACK_RELEASE")}).encode()]
