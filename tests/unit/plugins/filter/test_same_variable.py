# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a variable is the same on another host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.filter.same_variable import same_variable

APPS = [{"name": "agente"}]


class Unmakeable(Mapping[str, Any]):
    """Variables of a host that Ansible cannot make, as those made of hostvars."""

    def __getitem__(self, name: str) -> Any:
        raise RuntimeError("'hostvars' is undefined")

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("other", "same"),
    [({"apps": [{"name": "agente"}]}, True), ({"apps": []}, False), ({}, False), (Unmakeable(), False)],
)
def test_only_a_known_and_equal_value_is_the_same(other: Mapping[str, Any], same: bool) -> None:
    assert same_variable(APPS, {"other": other}, "other", "apps") is same
