# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of backups can be told without a server: rows in a dump, whose grants are whose, which backups there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.backup import Store, find, granted_on, listed
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.connection import Login
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.dump import Counter, options_file
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.errors import MysqlError
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.on_host import configuration
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.program import main

DUMP = rb"""-- MariaDB dump
CREATE TABLE `a` (
  `x` int
);
INSERT INTO `a` VALUES
(1,'x\n(2'),
(2,'y');
/*!40000 ALTER TABLE `a` ENABLE KEYS */;
INSERT INTO `a` VALUES
(3,'INSERT INTO `b` VALUES');
INSERT INTO `odd``name` (`p q`) VALUES
(1);
UNLOCK TABLES;
(not a row)
-- Dump completed on 2026-11-24  4:08:32
"""


@pytest.mark.parametrize("piece", [1, 7, 64, 10_000])
def test_rows_are_counted_however_a_dump_comes_in_pieces(piece: int) -> None:
    counter = Counter()
    for start in range(0, len(DUMP), piece):
        counter.feed(DUMP[start : start + piece])
    counter.end()
    assert counter.rows == {"a": 3, "odd`name": 1}
    assert counter.last.startswith(b"-- Dump completed")


def test_a_dump_that_breaks_off_has_no_end() -> None:
    counter = Counter()
    counter.feed(DUMP[:-60])
    counter.end()
    assert not counter.last.startswith(b"-- Dump completed on")


@pytest.mark.parametrize(
    ("grant", "database"),
    [
        ("GRANT SELECT, INSERT ON `shop`.* TO `app`@`%`", "shop"),
        ("GRANT SELECT ON `odd\\_na\\%me`.* TO `app`@`%`", "odd_na%me"),
        ("GRANT SELECT (`id`), INSERT ON `shop`.`users` TO `a ON ``x`@`%`", "shop"),
        ("GRANT EXECUTE ON PROCEDURE `shop`.`one` TO `app`@`%`", "shop"),
        ("GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*AB'", None),
        ("GRANT `role` TO `app`@`%`", None),
    ],
)
def test_a_grant_belongs_to_its_database(grant: str, database: str | None) -> None:
    assert granted_on(grant) == database


def test_a_password_reaches_the_client_by_a_file_of_its_own() -> None:
    login = Login(user="a", password='s"e\\c\n', unix_socket="/s")
    with options_file(login) as options:
        path = Path(options[0].removeprefix("--defaults-file="))
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text() == '[client]\nsocket = /s\nuser = "a"\npassword = "s\\"e\\\\c\\n"\n'
    assert not path.exists()
    assert "geheim" not in repr(Login(password="geheim"))


def test_without_a_password_the_users_own_file_counts_too() -> None:
    with options_file(Login(unix_socket="/s")) as options:
        assert options[0].startswith("--defaults-extra-file=")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = {"id": "x", "server": "MariaDB 11.8.9", "databases": {"shop": {"bytes": 5, "tables": {"a": {"rows": 3}}}}}
    for name, manifest in {"20260101T000000Z": found, "20260102T000000Z": found, "20260103T000000Z": None}.items():
        (tmp_path / name).mkdir()
        if manifest:
            (tmp_path / name / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "before-restore").mkdir()
    return tmp_path


def test_an_unfinished_backup_is_none(folder: Path) -> None:
    assert [backup.name for backup in listed(folder)] == ["20260102T000000Z", "20260101T000000Z"]
    assert find(folder, "latest").name == "20260102T000000Z"
    assert find(folder, "20260101T000000Z").to_dict()["databases"] == {"shop": {"tables": 1, "rows": 3}}


@pytest.mark.parametrize("name", ["20260103T000000Z", "../20260101T000000Z", "before-restore"])
def test_what_is_no_backup_is_refused_with_those_that_are(folder: Path, name: str) -> None:
    with pytest.raises(MysqlError, match="there are: 20260102T000000Z, 20260101T000000Z"):
        find(folder, name)


def test_an_empty_folder_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(MysqlError, match=r"backup\.yml takes one"):
        find(tmp_path / "nothing", "latest")


def test_the_program_on_the_host_lists_what_is_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps(configuration(Store(folder, Login(password="geheim")), keep=3)))
    assert main(config, ["list"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{folder}/20260102T000000Z  5 bytes  shop"
    assert main(config, ["restore", "nothing"]) == 1
    assert "there is no backup 'nothing'" in capsys.readouterr().err
