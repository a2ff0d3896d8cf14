# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.rightsize.webstack.plugins.module_utils.release.spec import (
    Health,
    Migration,
    Settings,
    Spec,
    environment_file,
    fingerprint,
)

SPEC = Spec("0123456789abcdef", "shop v1", Settings(), "workers = 4\n", secrets={"TOKEN": "hunter2"})


def name(spec: Spec, key: bytes = b"key") -> str:
    return fingerprint(spec.manifest(key))


def test_everything_that_changes_a_release_changes_its_name() -> None:
    changed = [
        replace(SPEC, source_digest="f" * 16),
        replace(SPEC, config="workers = 5\n"),
        replace(SPEC, environment={"A": "1"}),
        replace(SPEC, secrets={"TOKEN": "hunter3"}),
        replace(SPEC, python="/usr/bin/python3.12"),
        replace(SPEC, server_requirements=("gunicorn==27.0.1",)),
        replace(SPEC, settings=replace(SPEC.settings, unit="another")),
        replace(SPEC, settings=replace(SPEC.settings, migrate=(Migration("migrate"),))),
    ]
    names = {name(spec) for spec in [SPEC, *changed]}
    assert len(names) == len(changed) + 1


def test_where_a_source_came_from_does_not() -> None:
    assert name(replace(SPEC, source_label="elsewhere", archive="/tmp/x")) == name(SPEC)


def test_a_manifest_shows_no_secret_and_cannot_be_tried_against() -> None:
    assert "hunter2" not in SPEC.manifest(b"key")
    assert "hunter2" not in repr(SPEC)
    assert name(SPEC, b"key") != name(SPEC, b"other key")


def test_settings_take_what_users_write() -> None:
    settings = Settings.from_dict(
        {"health": {"path": "/ok"}, "migrate": ["a", {"run": "b", "undo": "c"}], "start_timeout": None, "unknown": 1}
    )
    assert settings.health == Health("/ok")
    assert settings.migrate == (Migration("a"), Migration("b", "c"))
    assert settings.start_timeout == 60


VALUES = {
    "PLAIN": "value",
    "SPACES": "  two  words ",
    "QUOTES": """he said "it's" `so` """,
    "DOLLAR": "$HOME ${HOME} $$ %h %%",
    "BACKSLASH": "C:\\new\\\\end\\",
    "LINES": "-----BEGIN KEY-----\nabc\n\n-----END KEY-----\n",
    "UNICODE": "señal – ✓",
    "HASH": "# no comment ; = !",
    "EMPTY": "",
}


def test_an_environment_file_means_the_same_to_a_shell(tmp_path: Path) -> None:
    """systemd's rules for double quotes are the shell's; the real reader is met on a host with systemd."""
    file = tmp_path / "environment"
    file.write_text(environment_file(VALUES), encoding="utf-8")
    for key, value in VALUES.items():
        done = subprocess.run(
            ["/bin/sh", "-c", f'. "$0"; printf %s "${key}"', str(file)], capture_output=True, check=True
        )
        assert done.stdout.decode() == value, key


@pytest.mark.parametrize("variable", ["", "1A", "A-B", "A B", "A=B", "Ñ"])
def test_a_name_that_no_environment_can_have_is_refused(variable: str) -> None:
    with pytest.raises(ReleaseError, match="not a variable's name"):
        environment_file({variable: "x"})


def test_a_nul_is_refused_without_showing_the_value() -> None:
    with pytest.raises(ReleaseError, match="the value of A has a NUL") as error:
        environment_file({"A": "hun\0ter2"})
    assert "ter2" not in str(error.value)
