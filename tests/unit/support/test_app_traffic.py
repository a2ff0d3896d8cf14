# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the first answers of a release are compared with those before it."""

from __future__ import annotations

import pytest
from support.app_traffic import Answer, first_and_steady


def answers(release: str, start: int, milliseconds: list[float]) -> list[Answer]:
    return [
        Answer(float(start + number), "/", 200, taken, {"x-release": release})
        for number, taken in enumerate(milliseconds)
    ]


def test_one_cold_answer_is_seen_and_one_hiccup_before_it_is_not() -> None:
    old = answers("old", 0, [*[10.0] * 45, 900.0, *[12.0] * 54])
    new = answers("new", 100, [*[11.0] * 3, 400.0, *[11.0] * 30])
    assert first_and_steady([*new, *old], "new", 20) == (400.0, 12.0)


def test_what_comes_after_the_first_answers_does_not_count() -> None:
    new = answers("new", 100, [*[11.0] * 20, 400.0])
    assert first_and_steady([*answers("old", 0, [10.0] * 20), *new], "new", 20) == (11.0, 10.0)


def test_too_few_answers_are_no_comparison() -> None:
    with pytest.raises(ValueError, match="19 answers of new"):
        first_and_steady([*answers("old", 0, [10.0] * 40), *answers("new", 100, [11.0] * 19)], "new", 20)
