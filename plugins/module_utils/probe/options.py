# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specification of a check, for every module that takes checks."""

from __future__ import annotations

from typing import Any

REQUEST_OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "str"},
    "method": {"type": "str"},
    "headers": {"type": "dict"},
    "secret_headers": {"type": "dict", "no_log": True},
    "json": {"type": "raw"},
    "body": {"type": "str"},
    "status": {"type": "raw"},
}

CHECK_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str"},
    **REQUEST_OPTIONS,
    "expect_headers": {"type": "dict"},
    "expect_json": {"type": "dict"},
    "contains": {"type": "str"},
    "max_seconds": {"type": "float"},
}

LOAD_OPTIONS: dict[str, dict[str, Any]] = {
    **REQUEST_OPTIONS,
    "requests": {"type": "int"},
    "concurrency": {"type": "int"},
    "max_seconds": {"type": "float"},
    "max_error_rate": {"type": "float"},
    "max_p50_ms": {"type": "float"},
    "max_p95_ms": {"type": "float"},
    "max_p99_ms": {"type": "float"},
    "min_requests_per_second": {"type": "float"},
}
