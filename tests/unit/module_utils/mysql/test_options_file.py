# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drop-in is judged in its place among all that the server reads, without being there."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.errors import MysqlError
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.options_file import (
    default_files,
    effective,
    flatten,
    verdict,
)

HELP = """\
mariadbd  Ver 11.8.9-MariaDB for debian-linux-gnu on x86_64
Default options are read from the following files in the given order:
/etc/my.cnf /etc/mysql/my.cnf ~/.my.cnf
The following groups are read: mysqld server

Variables (--variable-name=value)
and boolean options {FALSE|TRUE}                             Value (after reading options)
------------------------------------------------------------ -------------
innodb-buffer-pool-size                                      134217728
init-connect
max-connections                                              151
performance-schema                                           FALSE
sql-mode                                                     STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION

To see what values a running server is using, type
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "my.cnf").write_text(f"[mysqld]\na = 1\n!includedir {tmp_path}/conf.d\nlast = 1\n")
    (tmp_path / "conf.d" / "50-server.cnf").write_text("[mysqld]\nb = 1\n")
    (tmp_path / "conf.d" / "99-webstack.cnf").write_text("[mysqld]\nremoved_variable = 1\n")
    (tmp_path / "conf.d" / "zz.cnf").write_text(f"[mysqld]\nc = 1\n!include {tmp_path}/one.inc\n")
    (tmp_path / "conf.d" / "notes.txt").write_text("d = 1\n")
    (tmp_path / "one.inc").write_text("e = 1\n")
    return tmp_path


@pytest.mark.parametrize("there", [True, False])
def test_the_candidate_stands_where_the_drop_in_is_or_will_be(etc: Path, there: bool) -> None:
    drop_in = etc / "conf.d" / "99-webstack.cnf"
    if not there:
        drop_in.unlink()
    lines = flatten([Path("/none/my.cnf"), etc / "my.cnf"], drop_in, "[mysqld]\nours = 1\n").split()
    assert [line for line in lines if line not in ("[mysqld]", "=", "1")] == ["a", "b", "ours", "c", "e", "last"]


def test_a_drop_in_that_the_server_would_not_read_is_refused(etc: Path) -> None:
    with pytest.raises(MysqlError, match="does not read it"):
        flatten([etc / "my.cnf"], etc / "elsewhere.cnf", "")


def test_files_that_include_one_another_are_refused(tmp_path: Path) -> None:
    (tmp_path / "my.cnf").write_text(f"!include {tmp_path}/my.cnf\n")
    with pytest.raises(MysqlError, match="without end"):
        flatten([tmp_path / "my.cnf"], tmp_path / "x.cnf", "")


def test_the_server_says_which_files_and_values_it_has() -> None:
    assert default_files(HELP) == ["/etc/my.cnf", "/etc/mysql/my.cnf", "~/.my.cnf"]
    values = effective(HELP)
    assert (
        values["max_connections"] == "151" and values["init_connect"] == "" and values["performance_schema"] == "FALSE"
    )
    assert len(values) == 5


def test_a_configuration_that_is_taken_as_it_stands_has_no_problems() -> None:
    noise = "2026-11-24  3:13:58 0 [Warning] Could not increase number of max_open_files to more than 20000\n"
    assert verdict(0, HELP, noise, {"max_connections": 151, "performance_schema": False}) == []


@pytest.mark.parametrize(
    ("rc", "errors", "wanted", "said"),
    [
        (7, "2026-11-24  3:13:58 0 [ERROR] mariadbd: unknown variable 'no_such=1'", {"no_such": 1}, "unknown variable"),
        (
            0,
            "2026-11-24  3:13:58 0 [Warning] option 'innodb-io-capacity': unsigned value 50 adjusted to 100",
            {"innodb_io_capacity": 50},
            "adjusted to 100",
        ),
        (
            0,
            "2026-11-24  3:13:58 0 [ERROR] Parsing options for plugin 'InnoDB' failed. Disabling plugin",
            {"innodb_flush_method": "bogus"},
            "Disabling plugin",
        ),
        (1, "Character set 'klingon' is not compiled", {"character_set_server": "klingon"}, "klingon"),
        (1, "", {}, "exit code 1"),
        (0, "", {"max_connections": 60}, "max_connections = 60: the server would have 151"),
    ],
)  # fmt: skip
def test_what_the_server_would_not_take_is_told_in_its_words(
    rc: int, errors: str, wanted: dict[str, object], said: str
) -> None:
    problems = verdict(rc, HELP, errors, wanted)  # type: ignore[arg-type]
    assert len(problems) == 1 and said in problems[0]
