# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done with a server, given what is there and what is wanted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.redis import acl, apply, server
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.errors import RedisError

SERVER = server.Server(
    binary=Path("/usr/bin/redis-server"),
    unit="redis-server.service",
    user="redis",
    config=Path("/etc/redis/webstack.conf"),
    acl=Path("/etc/redis/webstack.acl"),
    drop_in=Path("/etc/systemd/system/redis-server.service.d/webstack.conf"),
    socket=Path("/run/redis/redis-server.sock"),
    data=Path("/var/lib/redis"),
    password=Path("/etc/webstack/redis-admin.password"),
)
UNIT_TEXT = "[Service]\nExecStart=/usr/bin/redis-server --syslog-ident webstack-@DIGEST@\nMemoryMax=300M\n"
WANTED = apply.Wanted(settings={"port": 6379}, users=(), unit_text=UNIT_TEXT, memory_max_mb=300)
FILES = {SERVER.config: "port 6379\n", SERVER.acl: "user default off\n", SERVER.drop_in: WANTED.unit_file()[0]}
CONFIG = {"port": "6379", "maxmemory": "100", "io-threads": "1", "syslog-ident": f"webstack-{WANTED.unit_file()[1]}"}
CONFIG.update({name: str(value) for name, value in SERVER.structure().items()}, daemonize="no")
USERS = acl.parse(["user default off"])
UNDERSTOOD = server.Understood(CONFIG, USERS)
RUNNING = server.Unit(active="active", enabled=True, needs_reload=False, pid=7, memory_max_mb=300)


def found(**changes: Any) -> apply.Found:
    here = apply.Found(RUNNING, dict(FILES), dict(CONFIG), dict(USERS), config_file=str(SERVER.config))
    for name, value in changes.items():
        setattr(here, name, value)
    return here


def plan(here: apply.Found, wanted: apply.Wanted = WANTED, understood: server.Understood = UNDERSTOOD) -> apply.Todo:
    return apply.plan(SERVER, wanted, here, FILES, understood)


def test_nothing_is_to_be_done_where_all_is_as_it_should_be() -> None:
    todo = plan(found())
    assert todo.nothing
    assert todo.differences == []


def test_what_a_running_server_takes_over_needs_no_restart() -> None:
    todo = plan(found(config={**CONFIG, "maxmemory": "50"}))
    assert (todo.live, todo.restart) == ({"maxmemory": "100"}, [])
    assert todo.differences == ["the running server: maxmemory is 50, wanted 100"]


def test_what_it_cannot_take_over_needs_one_and_says_why() -> None:
    todo = plan(found(config={**CONFIG, "io-threads": "4"}))
    assert (todo.live, todo.restart) == ({}, ["io-threads is 4, wanted 1"])


def test_a_memory_limit_alone_restarts_nothing() -> None:
    more = replace(WANTED, memory_max_mb=400, unit_text=UNIT_TEXT.replace("300M", "400M"))
    todo = plan(found(), wanted=more)
    assert todo.limit
    assert todo.restart == []


def test_another_unit_file_needs_a_restart() -> None:
    todo = plan(found(), wanted=replace(WANTED, unit_text=UNIT_TEXT + "UMask=0077\n"))
    assert todo.restart == ["its unit has changed since it was started"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"config_file": "/etc/redis/redis.conf"}, "it was started with /etc/redis/redis.conf"),
        ({"refuses_us": True, "config": {}}, "it refuses the password in"),
        ({"config": {}}, "it runs, but does not answer"),
    ],
)
def test_a_server_that_is_not_ours_needs_a_restart(changes: dict[str, Any], reason: str) -> None:
    assert [why for why in plan(found(**changes)).restart if why.startswith(reason)]


def test_a_server_that_is_down_is_started_and_not_restarted() -> None:
    todo = plan(found(unit=replace(RUNNING, active="failed", pid=0, memory_max_mb=None), config={}))
    assert todo.start
    assert (todo.restart, todo.limit) == ([], False)


def test_a_user_that_was_changed_behind_our_back_is_found() -> None:
    todo = plan(found(users=acl.parse(["user default on nopass"])))
    assert todo.user_commands == [("ACL", "SETUSER", "default", "reset", "off")]
    assert any("user default" in text for text in todo.differences)


def test_a_server_that_cannot_write_is_told() -> None:
    assert any("cannot write" in text for text in plan(found(cannot_append=True)).differences)


def test_a_limit_below_what_is_held_is_refused_where_that_would_stop_writes() -> None:
    small = {**CONFIG, "maxmemory": str(50 << 20), "maxmemory-policy": "noeviction"}
    with pytest.raises(RedisError, match="maxmemory would be 50 MB, and Redis holds 80 MB"):
        apply._refuse_to_starve(found(used_bytes=80 << 20), server.Understood(small, USERS))
    for fine in ({"maxmemory-policy": "allkeys-lfu"}, {"maxmemory": "0"}, {"maxmemory": str(90 << 20)}):
        apply._refuse_to_starve(found(used_bytes=80 << 20), server.Understood({**small, **fine}, USERS))


def test_the_units_digest_leaves_out_what_a_running_unit_takes_over() -> None:
    more = replace(WANTED, unit_text=UNIT_TEXT.replace("300M", "400M"))
    assert more.unit_file()[1] == WANTED.unit_file()[1]
    assert more.unit_file()[0] != WANTED.unit_file()[0]


def test_the_diff_of_the_acl_file_shows_no_digest() -> None:
    old, new = "1" * 64, "2" * 64
    assert apply._masked(f"on #{old} #{new} ~a", f"on #{old}") == "on #(as before) #(new) ~a"


def test_a_server_that_was_never_ours_and_keeps_its_data_elsewhere_is_left_alone() -> None:
    apply.refuse_stranger(SERVER, found())
    apply.refuse_stranger(SERVER, found(foreign=True))
    with pytest.raises(RedisError, match="runs with dir /data, and this role with /var/lib/redis"):
        apply.refuse_stranger(SERVER, found(foreign=True, config={**CONFIG, "dir": "/data"}))
    with pytest.raises(RedisError, match="does not answer on"):
        apply.refuse_stranger(SERVER, found(config={}, files={**FILES, SERVER.config: None}))
    apply.refuse_stranger(SERVER, found(config={}))
    stopped = replace(RUNNING, active="inactive", pid=0)
    apply.refuse_stranger(SERVER, found(config={}, files={**FILES, SERVER.config: None}, unit=stopped))
