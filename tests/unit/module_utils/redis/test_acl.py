# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and what each may do."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.redis import acl
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.errors import RedisError

PASSWORD = "a-long-password"
ADMIN = "f" * 64


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def user(**changes: Any) -> acl.User:
    return acl.read_users([{"name": "shop", "password": PASSWORD, **changes}])[0]


def line(text: str) -> acl.Line:
    return next(iter(acl.parse([text]).values()))


def test_a_user_sees_its_own_keys_and_no_dangerous_commands() -> None:
    text = acl.acl_file([user()], ADMIN, {}, keep_previous=True)
    assert (
        f"user shop on #{digest(PASSWORD)} ~shop:* resetchannels &shop:* -@all +@all -@admin -@dangerous +info\n"
        in text
    )
    assert text.startswith("user default off resetpass ~* &* +@all\n")
    assert PASSWORD not in text


def test_keys_and_commands_can_be_given() -> None:
    text = acl.acl_file([user(keys=["a:*", "b"], commands=["+flushdb", "-@scripting"])], ADMIN, {}, keep_previous=True)
    assert "~a:* ~b resetchannels &a:* &b -@all +@all -@admin -@dangerous +info +flushdb -@scripting" in text


def test_who_reads_figures_sees_no_key_no_setting_and_nothing_that_others_asked_for() -> None:
    text = acl.acl_file([acl.monitor(PASSWORD)], ADMIN, {}, keep_previous=True)
    (line_of_it,) = [one for one in text.splitlines() if one.startswith("user webstack_metrics ")]
    assert "~" not in line_of_it and "&" not in line_of_it and PASSWORD not in text
    assert line_of_it.split(" -@all ")[1].split() == list(acl.MONITOR_COMMANDS)
    assert not [rule for rule in acl.MONITOR_COMMANDS if "@" in rule or "config" in rule or rule == "+slowlog"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "a b"}, ["users[0].name", "'a b'"]),
        ({"name": "default"}, ["users[0].name", "'default'", "the role's own"]),
        ({"name": "webstack"}, ["users[0].name", "'webstack'"]),
        ({"name": "webstack_metrics"}, ["users[0].name", "'webstack_metrics'"]),
        ({"password": "short"}, ["users[0].password", "openssl rand"]),
        ({"keys": ["a b"]}, ["users[0].keys", "'a b'"]),
        ({"keys": [""]}, ["users[0].keys"]),
        ({"commands": ["allcommands"]}, ["users[0].commands", "'allcommands'"]),
        ({"commands": ["+get >secret"]}, ["users[0].commands"]),
    ],
)
def test_a_mistake_is_named_with_the_way_out(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(RedisError) as caught:
        user(**changes)
    assert all(word in str(caught.value) for word in words)
    assert "short" not in str(caught.value).replace("shorter", "")


def test_two_users_of_one_name_are_refused() -> None:
    entry = {"name": "shop", "password": PASSWORD}
    with pytest.raises(RedisError, match="'shop' is there twice"):
        acl.read_users([entry, entry])


@pytest.mark.parametrize(
    ("held", "keep", "accepted"),
    [
        ([], True, ["new"]),
        (["new"], True, ["new"]),
        (["old"], True, ["new", "old"]),
        (["old", "older"], True, ["new", "old"]),
        (["new", "old"], True, ["new", "old"]),
        (["old", "new"], True, ["new", "old"]),
        (["old", "older"], False, ["new"]),
    ],
)
def test_the_password_before_goes_on_being_accepted(held: list[str], keep: bool, accepted: list[str]) -> None:
    assert acl.accepted("new", held, keep) == tuple(accepted)


def test_a_rotation_keeps_the_old_password_in_the_file() -> None:
    held = acl.parse(acl.acl_file([user()], ADMIN, {}, keep_previous=True).splitlines())
    rotated = user(password="another-password")
    kept = acl.acl_file([rotated], ADMIN, held, keep_previous=True)
    assert f"on #{digest('another-password')} #{digest(PASSWORD)} " in kept
    revoked = acl.acl_file([rotated], ADMIN, acl.parse(kept.splitlines()), keep_previous=False)
    assert digest(PASSWORD) not in revoked


def test_what_the_server_lists_is_taken_apart() -> None:
    found = line(f"user shop on sanitize-payload #{ADMIN} ~shop:* resetchannels &shop:* +@all")
    assert (found.name, found.digests) == ("shop", (ADMIN,))
    assert found.rules == ("on", "sanitize-payload", "~shop:*", "resetchannels", "&shop:*", "+@all")


def test_only_users_that_differ_are_set_and_strangers_are_removed() -> None:
    held = acl.parse([f"user same on #{ADMIN} +@all", "user stranger on nopass +@all", f"user shop on #{ADMIN} -@all"])
    wanted = acl.parse([f"user same on #{ADMIN} +@all", f"user shop on #{ADMIN} +get", f"user fresh on #{ADMIN} +get"])
    assert acl.commands(held, wanted) == [
        ("ACL", "SETUSER", "shop", "reset", "on", "+get", f"#{ADMIN}"),
        ("ACL", "SETUSER", "fresh", "reset", "on", "+get", f"#{ADMIN}"),
        ("ACL", "DELUSER", "stranger"),
    ]
    assert acl.commands(wanted, wanted) == []


def test_differences_are_told_without_digests() -> None:
    held = acl.parse([f"user shop on #{ADMIN} -@all", "user stranger on nopass"])
    wanted = acl.parse([f"user shop on #{'0' * 64} +get", "user fresh on"])
    told = acl.differences(held, wanted)
    assert told == [
        "user fresh: is missing",
        "user shop: has other passwords",
        "user shop: has the rules on -@all; wanted on +get",
        "user stranger: is not in the inventory",
    ]
    assert acl.differences(wanted, wanted) == []
