# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.release.build import prune, remove_unfinished
from ansible_collections.rightsize.webstack.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.rightsize.webstack.plugins.module_utils.release.layout import Layout, check_app_name
from ansible_collections.rightsize.webstack.plugins.module_utils.release.python_env import (
    dependency_files,
    install_commands,
    python_version,
    venv_name,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.release.spec import Settings, Spec

from .conftest import add_release

SPEC = Spec("s" * 16, "shop v1", Settings(), "", server_requirements=("gunicorn==27.0.1",))
R1, R2 = "20261121T041000Z-0000001", "20261122T041000Z-0000002"


def write(directory: Path, **files: str) -> Path:
    for name, content in files.items():
        (directory / name.replace("_", ".")).write_text(content)
    return directory


def test_the_most_exact_list_of_dependencies_is_taken(tmp_path: Path) -> None:
    assert dependency_files(tmp_path, None) == []
    write(tmp_path, pyproject_toml="")
    assert dependency_files(tmp_path, None) == ["pyproject.toml"]
    write(tmp_path, requirements_txt="")
    assert dependency_files(tmp_path, None) == ["requirements.txt"]
    write(tmp_path, uv_lock="")
    assert dependency_files(tmp_path, None) == ["uv.lock", "pyproject.toml"]
    with pytest.raises(ReleaseError, match=r"'prod\.txt' is not a file"):
        dependency_files(tmp_path, "prod.txt")


def test_a_virtualenv_is_shared_by_equal_dependencies_only(tmp_path: Path) -> None:
    source = write(tmp_path, requirements_txt="fastapi==1\n")
    name = venv_name(SPEC, source, "3.13")
    assert venv_name(replace(SPEC, source_digest="other", config="x"), source, "3.13") == name
    assert venv_name(SPEC, source, "3.12") != name
    assert venv_name(replace(SPEC, installer="pip"), source, "3.13") != name
    assert venv_name(replace(SPEC, server_requirements=("gunicorn[gevent]==27.0.1",)), source, "3.13") != name
    write(source, requirements_txt="fastapi==2\n")
    assert venv_name(SPEC, source, "3.13") != name


def test_a_wheel_makes_the_virtualenv_depend_on_the_code(tmp_path: Path) -> None:
    wheel = replace(SPEC, requirement="shop-1-py3-none-any.whl")
    assert venv_name(wheel, tmp_path, "3.13") != venv_name(replace(wheel, source_digest="other"), tmp_path, "3.13")


def test_a_locked_project_is_synced_before_the_server_is_added(tmp_path: Path) -> None:
    source = write(tmp_path, uv_lock="", pyproject_toml="")
    commands = install_commands(SPEC, source, Path("/v"), "/uv")
    assert [command[1:3] for command in commands] == [["venv", "--quiet"], ["sync", "--quiet"], ["pip", "install"]]
    assert "--frozen" in commands[1]
    assert commands[2][-1] == "gunicorn==27.0.1"


def test_pip_is_used_when_asked_for(tmp_path: Path) -> None:
    source = write(tmp_path, requirements_txt="")
    commands = install_commands(replace(SPEC, installer="pip"), source, Path("/v"), "")
    assert commands[0] == ["/usr/bin/python3", "-m", "venv", "--clear", "/v"]
    assert commands[1][:3] == ["/v/bin/python", "-m", "pip"]
    assert commands[1][-3:] == ["-r", "requirements.txt", "gunicorn==27.0.1"]


def test_an_interpreter_that_does_not_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="/nowhere/python does not run"):
        python_version("/nowhere/python")
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\necho 3.9\n")
    old.chmod(0o755)
    with pytest.raises(ReleaseError, match=r"is Python 3\.9; gunicorn needs 3\.10"):
        python_version(str(old))


def test_what_an_interrupted_build_left_is_removed_and_nothing_else(layout: Layout) -> None:
    add_release(layout, R1)
    layout.release(R2).mkdir()
    (layout.venvs / "half").mkdir()
    (layout.sources / ".s2.new").mkdir()
    remove_unfinished(layout)
    assert [path.name for path in layout.releases.iterdir()] == [R1]
    assert [path.name for path in layout.venvs.iterdir()] == ["v1"]
    assert [path.name for path in layout.sources.iterdir()] == ["s1"]


def test_pruning_keeps_what_others_share(layout: Layout) -> None:
    add_release(layout, R1, source="s1", venv="v1")
    add_release(layout, R2, source="s2", venv="v1")
    old, fresh, used = (layout.incoming / f"{name}.tar.gz" for name in ("gone", "coming", "s2"))
    for archive in (old, fresh, used):
        archive.touch()
    for archive in (old, used):
        os.utime(archive, (time.time() - 100_000,) * 2)
    assert prune(layout, {R2}) == [R1]
    assert [path.name for path in layout.venvs.iterdir()] == ["v1"]
    assert [path.name for path in layout.sources.iterdir()] == ["s2"]
    assert sorted(layout.incoming.iterdir()) == sorted([fresh, used])


@pytest.mark.parametrize(
    "name", ["", "Shop", "1shop", "shop-web", "a/b", "../x", "shop.web", "señal", "a" * 32, "shop\n"]
)
def test_a_name_that_cannot_name_units_is_refused(name: str) -> None:
    with pytest.raises(ReleaseError, match="lower-case letter"):
        check_app_name(name)


@pytest.mark.parametrize("name", ["redis", "nginx", "root"])
def test_a_name_that_the_system_has_is_refused(name: str) -> None:
    with pytest.raises(ReleaseError, match=f"choose another, like '{name}_app'"):
        check_app_name(name)
