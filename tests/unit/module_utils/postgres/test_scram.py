# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifiers are those that a PostgreSQL server makes itself."""

from __future__ import annotations

from base64 import b64decode

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.postgres import scram
from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.errors import PostgresError


def test_the_example_of_rfc_7677() -> None:
    salt = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    stored, server = (
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    )
    assert scram.salted_verifier("pencil", salt) == f"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${stored}:{server}"


def test_the_same_input_gives_the_same_verifier() -> None:
    assert scram.verifier("secret", "shop", "db1") == scram.verifier("secret", "shop", "db1")


def test_users_and_servers_have_salts_of_their_own() -> None:
    verifiers = {scram.verifier("secret", user, seed) for user in ("shop", "blog") for seed in ("db1", "db2")}
    assert len({one.split("$")[1] for one in verifiers}) == 4


@pytest.mark.parametrize("password", ["", "two words", "contraseña", "tab\tbed", "nul\0"])
def test_what_clients_disagree_about_is_refused(password: str) -> None:
    with pytest.raises(PostgresError, match=r"^place: ") as refusal:
        scram.check_password(password, "place")
    assert not password or password not in str(refusal.value)


def test_punctuation_is_fine() -> None:
    scram.check_password("a!'\"$%&/()=\\@:#~", "place")
