# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each server gets the variables that it has, and no other."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.errors import MysqlError
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.server import Server, parse_version
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.variables import (
    MB,
    SlowLog,
    buffer_pool,
    comparable,
    differing,
    literal,
    names_in,
    render,
    settings_for,
    text,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.mysql import BASE_MB

PLAN = {
    "max_connections": 60,
    "innodb_buffer_pool_size_mb": 1300,
    "innodb_log_file_size_mb": 200,
    "innodb_io_capacity": 400,
    "tmp_table_size_mb": 4,
    "table_open_cache": 2000,
    "thread_cache_size": 8,
    "performance_schema": False,
}
MARIADB_11 = Server("mariadb", (11, 8, 9))
MARIADB_10_2 = Server("mariadb", (10, 2, 44))
MARIADB_10_6 = Server("mariadb", (10, 6, 21))
MYSQL_5_7 = Server("mysql", (5, 7, 44))
MYSQL_5_7_10 = Server("mysql", (5, 7, 10))
MYSQL_8_0_20 = Server("mysql", (8, 0, 20))
MYSQL_8_0_36 = Server("mysql", (8, 0, 36))
MYSQL_8_4 = Server("mysql", (8, 4, 3))
ALL = [MARIADB_10_2, MARIADB_10_6, MARIADB_11, MYSQL_5_7_10, MYSQL_5_7, MYSQL_8_0_20, MYSQL_8_0_36, MYSQL_8_4]


def settings(server: Server, **others: Any) -> dict[str, Any]:
    return settings_for(server, PLAN, SlowLog(), others)


@pytest.mark.parametrize(
    ("said", "server"),
    [
        ("mariadbd  Ver 11.8.9-MariaDB-0+deb13u1 from Debian for debian-linux-gnu on x86_64 (-- Please)", MARIADB_11),
        ("mysqld  Ver 10.2.44-MariaDB-1:10.2.44+maria~bionic for debian-linux-gnu on x86_64", MARIADB_10_2),
        ("5.5.5-10.6.21-MariaDB-log", MARIADB_10_6),
        ("mysqld  Ver 5.7.44 for Linux on x86_64 (MySQL Community Server (GPL))", MYSQL_5_7),
        ("/usr/sbin/mysqld  Ver 8.0.36-0ubuntu0.22.04.1 for Linux on x86_64 ((Ubuntu))", MYSQL_8_0_36),
        ("8.4.3-3 Percona Server", MYSQL_8_4),
    ],
)
def test_a_version_is_read(said: str, server: Server) -> None:
    assert parse_version(said) == server


@pytest.mark.parametrize("said", ["mysqld  Ver 5.6.51 for Linux", "10.1.48-MariaDB", "what?"])
def test_what_is_too_old_or_no_version_is_refused(said: str) -> None:
    with pytest.raises(MysqlError):
        parse_version(said)


@pytest.mark.parametrize(
    ("name", "have"),
    [
        (
            "innodb_buffer_pool_instances",
            [MARIADB_10_2, MYSQL_5_7_10, MYSQL_5_7, MYSQL_8_0_20, MYSQL_8_0_36, MYSQL_8_4],
        ),
        ("innodb_buffer_pool_chunk_size", [s for s in ALL if s != MARIADB_11]),
        ("innodb_log_file_size", [MARIADB_10_2, MARIADB_10_6, MARIADB_11, MYSQL_5_7_10, MYSQL_5_7, MYSQL_8_0_20]),
        ("innodb_redo_log_capacity", [MYSQL_8_0_36, MYSQL_8_4]),
        ("query_cache_size", [MARIADB_10_2, MARIADB_10_6, MARIADB_11, MYSQL_5_7_10]),
        ("query_cache_type", [MARIADB_10_2, MARIADB_10_6, MARIADB_11, MYSQL_5_7_10]),
        ("temptable_max_ram", [MYSQL_8_0_20, MYSQL_8_0_36, MYSQL_8_4]),
        ("innodb_flush_method", [MARIADB_10_2, MYSQL_5_7_10, MYSQL_5_7, MYSQL_8_0_20, MYSQL_8_0_36]),
        ("max_connections", ALL),
        ("performance_schema", ALL),
        ("aria_pagecache_buffer_size", [MARIADB_10_2, MARIADB_10_6, MARIADB_11]),
        ("long_query_time", ALL),
    ],
)
def test_only_servers_that_have_a_variable_get_it(name: str, have: list[Server]) -> None:
    assert [str(server) for server in ALL if name in settings(server)] == list(map(str, have))


@pytest.mark.parametrize(
    ("server", "redo_mb"),
    [(MARIADB_11, 200), (MARIADB_10_6, 200), (MARIADB_10_2, 100), (MYSQL_5_7, 100), (MYSQL_8_0_20, 100)],
)
def test_a_redo_log_in_two_files_is_planned_as_two(server: Server, redo_mb: int) -> None:
    assert settings(server)["innodb_log_file_size"] == redo_mb * MB


def test_a_redo_log_with_a_capacity_has_all_of_it() -> None:
    assert settings(MYSQL_8_4)["innodb_redo_log_capacity"] == 200 * MB


@pytest.mark.parametrize("server", ALL, ids=str)
@pytest.mark.parametrize("mb", [5, 16, 100, 408, 1000, 1024, 1300, 2047, 5000, 8001, 20000, 100_000, 900_000])
def test_what_the_server_makes_of_the_buffer_pool_is_never_more_than_planned(server: Server, mb: int) -> None:
    """The rule of both manuals: rounded up to a multiple of instances × chunk, at most 1000 chunks."""
    size, instances, chunk = buffer_pool(server, mb * MB)
    planned = max(mb * MB, instances * chunk)
    if server == MARIADB_11:
        assert size == mb * MB
        return
    made = -(-size // (instances * chunk)) * instances * chunk
    assert made == size <= planned
    assert size >= planned - instances * chunk
    assert size // instances // chunk <= 1000


@pytest.mark.parametrize("server", ALL, ids=str)
def test_caches_of_other_engines_stay_within_what_the_plan_has_for_the_server(server: Server) -> None:
    """MariaDB's defaults are 128 MB each, more than all that a plan has for the server itself."""
    written = settings(server)
    caches = ("key_buffer_size", "aria_pagecache_buffer_size")
    assert 0 < sum(int(written.get(name, 0)) for name in caches) <= BASE_MB * MB // 3


def test_the_capacity_never_exceeds_its_limit_on_the_way() -> None:
    names = list(settings(MARIADB_11))
    assert names.index("innodb_io_capacity_max") < names.index("innodb_io_capacity")


@pytest.mark.parametrize(
    ("server", "name", "words"),
    [
        (MYSQL_8_4, "query_cache_size", ["query_cache_size", "MySQL 5.7.20", "MySQL 8.4.3", "leave it out"]),
        (MARIADB_11, "innodb_buffer_pool_instances", ["MariaDB 10.5.1", "one instance"]),
        (MYSQL_8_0_36, "innodb_log_file_size", ["MySQL 8.0.30", "innodb_redo_log_capacity"]),
        (MYSQL_8_0_20, "innodb_redo_log_capacity", ["does not have it yet", "innodb_log_file_size"]),
        (MARIADB_11, "temptable_max_ram", ["MariaDB has no such variable", "tmp_table_size"]),
        (MYSQL_5_7, "innodb_large_prefix", ["MySQL 5.7.44", "always on"]),
    ],
)
def test_what_a_server_lacks_is_refused_by_name(server: Server, name: str, words: list[str]) -> None:
    with pytest.raises(MysqlError) as caught:
        settings(server, **{name: 1})
    assert [word for word in [f"mysql_tuning_settings: {name}", *words] if word not in str(caught.value)] == []


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(MysqlError) as caught:
        settings(MYSQL_8_4, query_cache_size=0, tx_isolation="READ-COMMITTED", wait_timeout=600)
    assert "query_cache_size" in str(caught.value) and "tx_isolation" in str(caught.value)
    assert "wait_timeout" not in str(caught.value)


def test_what_is_given_wins_however_it_is_spelt() -> None:
    assert settings(MARIADB_11, **{"MAX-connections": 99, "wait_timeout": 600})["max_connections"] == 99


def test_the_file_is_what_a_person_would_write() -> None:
    lines = render(settings(MARIADB_11), MARIADB_11, "note").splitlines()
    assert lines[:3] == ["# note", "# For MariaDB 11.8.9.", "[mysqld]"]
    for line in (
        "innodb_buffer_pool_size = 1300M",
        "performance_schema = OFF",
        "long_query_time = 1",
        "max_connections = 60",
    ):
        assert line in lines


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (True, "ON", True),
        ("1", "ON", True),
        (False, "OFF", True),
        (64 * MB, "64M", True),
        (64 * MB, str(64 * MB), True),
        ("64m", 64 * MB, True),
        (1.0, "1.000000", True),
        (0.5, "1", False),
        ("READ-COMMITTED", "read-committed", True),
        ("/var/log/mysql/slow.log", "/var/log/mysql/slow.log", True),
        ("/var/log/Mysql/slow.log", "/var/log/mysql/slow.log", False),
        ("", "", True),
        ("O_DIRECT", "fsync", False),
    ],
)
def test_values_are_compared_by_what_they_mean(one: Any, other: Any, same: bool) -> None:
    assert (comparable(one) == comparable(other)) is same


def test_only_what_the_server_has_and_has_otherwise_differs() -> None:
    wanted = {"max_connections": 60, "performance_schema": True, "unknown": 1}
    assert differing(wanted, {"max_connections": "151", "performance_schema": "ON"}) == {"max_connections": 60}


@pytest.mark.parametrize(
    ("value", "sent"), [(True, 1), ("64M", 64 * MB), (0.5, 0.5), ("ON", 1), ("utf8mb4", "utf8mb4")]
)
def test_sizes_are_sent_as_numbers(value: Any, sent: Any) -> None:
    assert literal(value) == sent and type(literal(value)) is type(sent)


def test_small_numbers_are_no_sizes() -> None:
    assert (text(60), text(2 * MB), text(True), text(1.5)) == ("60", "2M", "ON", "1.5")


def test_a_drop_in_says_which_variables_were_ours() -> None:
    server = parse_version("11.8.9-MariaDB")
    ours: dict[str, Any] = {"max_connections": 44, "slow_query_log_file": "/a=b.log", "performance_schema": False}
    assert names_in(render(ours, server, "note = of ours")) == list(ours)
    assert names_in("; a = 1\n[mysqld]\nback-log=7\n\nskip\n") == ["back_log"]
    assert names_in("") == []
