# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text to vector, the same on every machine: words are hashed to rows of a table of weights, which are added up."""

from __future__ import annotations

import functools
import hashlib
import math
import re
import unicodedata
from array import array
from collections.abc import Iterator

DIMENSIONS = 256
ROWS = 8192
WORD = re.compile(r"[a-z0-9]{2,}")


@functools.cache
def _weights() -> tuple[array[int], ...]:
    """Return the table. It takes a moment to make, as weights take one to load."""
    digests = (hashlib.shake_256(f"row {row}".encode()).digest(DIMENSIONS) for row in range(ROWS))
    return tuple(array("b", (byte - 128 for byte in digest)) for digest in digests)


def _rows(text: str) -> Iterator[int]:
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    for word in WORD.findall(plain):
        yield int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big") % ROWS


@functools.lru_cache(maxsize=1000)
def embed(text: str) -> str:
    """Return a text's vector of length 1 as pgvector writes it. Texts that share words are near to each other."""
    weights = _weights()
    total = [sum(column) for column in zip(*(weights[row] for row in _rows(text)))] or [1.0] * DIMENSIONS
    length = math.sqrt(sum(value * value for value in total)) or 1.0
    return "[" + ",".join(f"{value / length:.5f}" for value in total) + "]"
