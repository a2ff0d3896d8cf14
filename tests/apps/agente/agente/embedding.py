# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn text into a vector without a model: texts that share words and parts of words lie close together."""

from __future__ import annotations

import math
import re
import zlib

DIMENSIONS = 256
"""As in the migration that makes the table."""
WORD = re.compile(r"\w+")


def embed(text: str) -> list[float]:
    """Return a vector of length 1: words and their trigrams, hashed into dimensions."""
    vector = [0.0] * DIMENSIONS
    for word in WORD.findall(text.lower()):
        padded = f" {word} "
        for part in (word, *(padded[start : start + 3] for start in range(len(padded) - 2))):
            digest = zlib.crc32(part.encode())
            vector[digest % DIMENSIONS] += 1.0 if digest & 0x1000 else -1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def as_text(vector: list[float]) -> str:
    """Return a vector as PostgreSQL reads it."""
    return "[" + ",".join(f"{value:.6f}" for value in vector) + "]"
