# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server's settings as text, and how a running server differs from them."""

from __future__ import annotations

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.redis import settings
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.errors import RedisError


def test_the_file_has_a_line_for_each_setting() -> None:
    text = settings.render({"port": 6379, "Appendonly": True, "save": "", "rename": ["a 1", "b 2"], "daemonize": False})
    assert text.splitlines()[1:] == [
        "appendonly yes",
        "daemonize no",
        "port 6379",
        "rename a 1",
        "rename b 2",
        'save ""',
    ]


@pytest.mark.parametrize("value", [None, {"a": 1}, "two\nlines", "nul\0"])
def test_what_is_no_value_is_refused(value: object) -> None:
    with pytest.raises(RedisError, match=r"redis_settings\.maxmemory"):
        settings.render({"maxmemory": value})


@pytest.mark.parametrize("name", ["requirepass", "RequirePass", "user", "dir", "include", "masterauth", "unixsocket"])
def test_what_is_not_for_the_inventory_is_refused_with_the_way_out(name: str) -> None:
    with pytest.raises(RedisError, match=rf"redis_settings\.{name}: not here; .+"):
        settings.check({name: "x"})


def test_what_may_be_given_passes() -> None:
    settings.check({"maxmemory": "100mb", "save": "3600 1"})


def test_a_setting_means_what_the_scratch_server_understood() -> None:
    understood = {"maxmemory": "104857600", "port": "40000", "save": "", "aclfile": "/run/x/users.acl"}
    want = settings.wanted(understood, {"maxmemory": "100mb", "port": 6379, "aclfile": "/etc/redis/webstack.acl"})
    assert want == {"maxmemory": "104857600", "save": "", "port": "6379", "aclfile": "/etc/redis/webstack.acl"}


def test_only_what_differs_is_found_and_old_names_do_not_count() -> None:
    live = {"maxmemory": "1", "save": "", "slaveof": "a 1", "new-in-this-version": "1"}
    want = {"maxmemory": "2", "save": "", "slaveof": "", "unknown-to-it": "1"}
    assert settings.differences(live, want) == {"maxmemory": ("1", "2")}


def test_what_needs_a_start_is_told_apart() -> None:
    live, at_start = settings.split({"maxmemory": ("1", "2"), "io-threads": ("1", "4")})
    assert live == {"maxmemory": "2"}
    assert at_start == {"io-threads": ("1", "4")}


def test_values_that_could_be_secret_are_not_told() -> None:
    assert settings.describe("masterauth", ("old", "new")) == "masterauth differs"
    assert settings.describe("save", ("", "3600 1")) == "save is empty, wanted 3600 1"
    assert settings.listing({"b": "1", "tls-key-file-pass": "secret"}) == "b 1\ntls-key-file-pass …\n"
