# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an exporter says."""

from __future__ import annotations

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.metrics.exposition import ask, value_of

TEXT = """# HELP redis_up Information about the Redis instance
# TYPE redis_up gauge
redis_up 1
redis_up_seconds 5
nginx_up{name="a } b"} 0
node_memory_MemTotal_bytes 2.147483648e+09
broken{a="b"} many
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("redis_up", 1),
        ("nginx_up", 0),
        ("node_memory_MemTotal_bytes", 2147483648),
        ("redis", None),
        ("up", None),
        ("broken", None),
    ],
)
def test_a_value_is_found_by_its_whole_name(name: str, value: float | None) -> None:
    assert value_of(TEXT, name) == value


def test_nobody_who_answers_is_no_text() -> None:
    assert ask("http://127.0.0.1:1/metrics", 1) is None
