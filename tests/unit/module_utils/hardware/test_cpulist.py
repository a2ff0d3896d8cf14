# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.cpulist import (
    MAX_CPUS,
    format_cpu_list,
    parse_cpu_list,
    parse_cpu_mask,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0-3\n", {0, 1, 2, 3}),
        ("4,8\n", {4, 8}),
        ("0-1,4-5,7", {0, 1, 4, 5, 7}),
        ("0 1 2 3\n", {0, 1, 2, 3}),
        ("\n", set()),
        ("5\0", {5}),
    ],
)
def test_the_kernels_notations(text: str, cpus: set[int]) -> None:
    assert parse_cpu_list(text) == frozenset(cpus)


@pytest.mark.parametrize("text", ["0-", "-3", "a", "0-3,x", "3-0", "0x3", "1" * 30, None])
def test_what_is_no_list_is_unknown(text: str | None) -> None:
    assert parse_cpu_list(text) is None


def test_a_huge_range_stays_small() -> None:
    cpus = parse_cpu_list("0-4294967295")
    assert cpus is not None
    assert len(cpus) == MAX_CPUS


@given(st.frozensets(st.integers(0, MAX_CPUS - 1), max_size=50))
def test_notation_reads_back(cpus: frozenset[int]) -> None:
    assert parse_cpu_list(format_cpu_list(cpus)) == cpus


def test_a_long_list_of_long_ranges_costs_no_more_than_a_short_one() -> None:
    assert parse_cpu_list("0-8191," * 20_000) == frozenset(range(MAX_CPUS))


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("3\n", {0, 1}),
        ("00000000,00000011\n", {0, 4}),
        ("1,00000000", {32}),
        ("80000000,0,00000001\0", {0, 95}),
        ("0", set()),
    ],
)
def test_masks_of_old_kernels(text: str, cpus: set[int]) -> None:
    assert parse_cpu_mask(text) == frozenset(cpus)


@pytest.mark.parametrize("text", ["", "x", "-1", "0x3", "1,", "123456789", "1 2", "ffffffff," * 300 + "1", None])
def test_what_is_no_mask_is_unknown(text: str | None) -> None:
    assert parse_cpu_mask(text) is None
