# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SCRAM-SHA-256 verifiers: what PostgreSQL and PgBouncer keep of a password.

The server is given the verifier, so that the password itself appears in no statement, and so in no log of the server.
RFC 5802 and 7677; the form is that of pg_authid.rolpassword.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode

from .errors import PostgresError

#: PostgreSQL's own default.
ITERATIONS = 4096
SALT_BYTES = 16


def check_password(password: str, where: str) -> None:
    """Raise ``PostgresError`` when a password is empty or has characters that clients may encode differently."""
    if not password:
        raise PostgresError(f"{where}: empty; give the password, from the vault or your environment")
    if not all(" " < character <= "~" for character in password):
        raise PostgresError(
            f"{where}: has a space or a character outside ASCII, which drivers disagree about; "
            "use letters, digits and punctuation"
        )


def verifier(password: str, user: str, seed: str) -> str:
    """Return the verifier of ``password``.

    The salt is made of ``user`` and ``seed`` (the server's name), so that the same input gives the same verifier: a
    salt has to differ between servers and users, it need not be secret.
    """
    return salted_verifier(
        password, hashlib.sha256(f"rightsize.webstack\0{seed}\0{user}".encode()).digest()[:SALT_BYTES]
    )


def salted_verifier(password: str, salt: bytes) -> str:
    """Return the verifier of ``password`` with a salt of one's own."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    server_key = _hmac(salted, b"Server Key")
    return f"SCRAM-SHA-256${ITERATIONS}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def digest(secret: str) -> str:
    """Return what is compared with the server's digest of pg_authid.rolpassword: SHA-256 in hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _text(value: bytes) -> str:
    return b64encode(value).decode("ascii")
