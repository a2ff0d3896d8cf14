# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is given before its first release, without systemd: the scenarios see the rest."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.release import home as home_module
from ansible_collections.rightsize.webstack.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.rightsize.webstack.plugins.module_utils.release.home import Home, Prepared, archives, prepare
from ansible_collections.rightsize.webstack.plugins.module_utils.release.layout import Layout

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users, which only root may")

UNITS = {"daemon@.service": "[Service]\n", "daemon.slice": "[Slice]\n"}


@pytest.fixture
def reloads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Return what systemctl is asked for; there is none here."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(home_module, "systemctl", lambda *arguments: asked.append(arguments))
    return asked


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return what an app wants whose user is one that every system has."""
    return Home(Layout("daemon", srv=tmp_path / "srv"), UNITS, ("daemon.socket",), group="root", etc=tmp_path / "etc")


def no_users(_declaration: Path) -> None:
    """Create nobody."""


def paths(done: Prepared) -> set[str]:
    return {Path(difference["after_header"]).name for difference in done.diff}


def test_a_bare_host_gets_everything_and_a_second_look_finds_nothing_to_do(
    home: Home, reloads: list[tuple[str, ...]]
) -> None:
    first = prepare(home, False, no_users)
    assert paths(first) >= {"daemon", "shared", "incoming", "daemon@.service", "daemon.slice", "webstack-daemon.conf"}
    assert (home.unit_directory / "daemon@.service").read_text() == "[Service]\n"
    assert str(home.boot_link.readlink()) == "../daemon.service"
    assert (home.layout.shared.stat().st_mode & 0o7777, home.layout.shared.owner()) == (0o750, "daemon")
    assert (home.layout.incoming.stat().st_mode & 0o7777, home.layout.incoming.owner()) == (0o700, "root")
    assert reloads == [("daemon-reload",)]
    second = prepare(home, False, no_users)
    assert {Path(difference["after_header"]).name for difference in second.diff} <= {"passwd"}
    assert reloads == [("daemon-reload",)]


def test_a_dry_run_says_the_same_and_changes_nothing(
    home: Home, reloads: list[tuple[str, ...]], tmp_path: Path
) -> None:
    dry = prepare(home, True, no_users)
    assert not list(tmp_path.rglob("*"))
    assert not reloads
    assert dry.diff == prepare(home, False, no_users).diff


def test_a_changed_unit_is_written_shown_and_read_again(home: Home, reloads: list[tuple[str, ...]]) -> None:
    prepare(home, False, no_users)
    changed = prepare(replace(home, units={**UNITS, "daemon.slice": "[Slice]\nMemoryMax=1M\n"}), False, no_users)
    shown = [difference for difference in changed.diff if difference["after_header"].endswith("daemon.slice")]
    assert [(difference["before"], difference["after"]) for difference in shown] == [
        ("[Slice]\n", "[Slice]\nMemoryMax=1M\n")
    ]
    assert len(reloads) == 2


def test_units_that_must_not_be_there_go(home: Home, reloads: list[tuple[str, ...]]) -> None:
    prepare(home, False, no_users)
    socket = home.unit_directory / "daemon.socket"
    socket.write_text("[Socket]\n")
    assert "daemon.socket" in paths(prepare(home, False, no_users))
    assert not socket.exists()
    assert len(reloads) == 2


def test_drifted_permissions_are_set_right_without_a_reload(home: Home, reloads: list[tuple[str, ...]]) -> None:
    prepare(home, False, no_users)
    home.layout.shared.chmod(0o777)
    done = prepare(home, False, no_users)
    assert "shared" in paths(done)
    assert home.layout.shared.stat().st_mode & 0o7777 == 0o750
    assert len(reloads) == 1


def test_missing_users_are_created_from_the_declaration(home: Home, reloads: list[tuple[str, ...]]) -> None:
    asked: list[str] = []
    prepare(home, False, lambda declaration: asked.append(declaration.read_text()))
    assert len(asked) == 1
    assert "u webstack-build - " in asked[0]
    assert "u daemon - " in asked[0]


def test_what_was_sent_is_named_once_it_is_whole(home: Home, reloads: list[tuple[str, ...]]) -> None:
    assert archives(home.layout) == []
    prepare(home, False, no_users)
    for name in ("b.tar.gz", "a.tar.gz", ".ansible_tmp.a.tar.gz.part"):
        (home.layout.incoming / name).touch()
    assert archives(home.layout) == [str(home.layout.incoming / name) for name in ("a.tar.gz", "b.tar.gz")]


def test_an_unknown_group_is_refused_before_anything_is_touched(home: Home, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"group 'wwwdata' does not exist .* gunicorn_app_socket_group"):
        prepare(replace(home, group="wwwdata"), False, no_users)
    assert not list(tmp_path.rglob("*"))
