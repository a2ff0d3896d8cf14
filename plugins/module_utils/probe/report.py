# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads when checks failed."""

from __future__ import annotations

from collections.abc import Sequence

from .types import CheckResult, Target


def failure_message(target: Target, results: Sequence[CheckResult]) -> str:
    """Return one text that lists every failed check: what was wanted, what came, what to look at next."""
    failed = [result for result in results if result.failed]
    skipped = sum(result.skipped for result in results)
    told = f", {skipped} skipped" if skipped else ""
    head = f"{len(failed)} of {len(results)} checks of {target.url} (at {target.address}) failed{told}:"
    return "\n".join([head, *(_item(number, result) for number, result in enumerate(failed, 1))])


def _item(number: int, result: CheckResult) -> str:
    tries = f" (last of {result.tries} tries)" if result.tries > 1 else ""
    lines = [f"{number}. {result.name}{tries}", f"   wanted: {result.wanted}", f"   got:    {result.got}"]
    if result.body:
        lines.append(f"   body:   {result.body}")
    if result.hint:
        lines.append(f"   next:   {result.hint}")
    return "\n".join(lines)
