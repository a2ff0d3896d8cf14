# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.rightsize.webstack.plugins.module_utils.release.source import Packed, pack, source_files

CODE = {"demo/__init__.py": "", "demo/main.py": "app = object()\n", "requirements.txt": "fastapi\n"}


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    return directory


def packed(base: Path, entrypoint: str = "demo.main:app", **source: str) -> Packed:
    options = {"path": None, "archive": None, "package": None, **source}
    return pack({**options, "base": str(base), "cache": str(base / "cache"), "entrypoint": entrypoint})


def names(result: Packed) -> list[str]:
    assert result.archive
    with tarfile.open(result.archive) as tar:
        return tar.getnames()


def test_the_same_content_has_the_same_name_whoever_holds_it(tmp_path: Path) -> None:
    write(tmp_path / "first", CODE)
    second = write(tmp_path / "second", CODE)
    os.utime(second / "demo/main.py", (0, 0))
    (second / "demo/main.py").chmod(0o600)
    assert packed(tmp_path, path="first").digest == packed(tmp_path, path="second").digest


@pytest.mark.parametrize("change", ["content", "name", "mode", "link"])
def test_any_change_of_content_changes_the_name(tmp_path: Path, change: str) -> None:
    source = write(tmp_path / "source", CODE)
    before = packed(tmp_path, path="source").digest
    if change == "content":
        (source / "requirements.txt").write_text("flask\n")
    elif change == "name":
        (source / "requirements.txt").rename(source / "reqs.txt")
    elif change == "mode":
        (source / "requirements.txt").chmod(0o755)
    else:
        (source / "link").symlink_to("requirements.txt")
    assert packed(tmp_path, path="source").digest != before


def test_secrets_histories_and_caches_stay_at_home(tmp_path: Path) -> None:
    left = {".env": "TOKEN=x", ".venv/bin/python": "", "demo/__pycache__/main.pyc": "", "node_modules/a/b.js": ""}
    write(tmp_path / "source", {**CODE, **left})
    assert names(packed(tmp_path, path="source")) == sorted(CODE)


def test_what_git_ignores_stays_at_home_and_what_is_new_goes_along(tmp_path: Path) -> None:
    source = write(tmp_path / "source", {**CODE, ".gitignore": "*.log\n", "debug.log": "x", "new.py": ""})
    subprocess.run(["git", "init", "-q", str(source)], check=True)
    assert source_files(source) == sorted([*CODE, ".gitignore", "new.py"])


def test_a_file_deleted_but_still_known_to_git_is_no_file(tmp_path: Path) -> None:
    source = write(tmp_path / "source", CODE)
    subprocess.run(["git", "init", "-q", str(source)], check=True)
    subprocess.run(["git", "-C", str(source), "add", "."], check=True)
    (source / "requirements.txt").unlink()
    assert "requirements.txt" not in names(packed(tmp_path, path="source"))


def test_an_archive_with_or_without_a_directory_around_it_is_the_tree_in_it(tmp_path: Path) -> None:
    source = write(tmp_path / "source", CODE)
    bare = packed(tmp_path, path="source").digest
    shutil.make_archive(str(tmp_path / "bare"), "gztar", source)
    shutil.make_archive(str(tmp_path / "wrapped"), "zip", tmp_path, "source")
    assert zipfile.is_zipfile(tmp_path / "wrapped.zip")
    assert packed(tmp_path, archive="bare.tar.gz").digest == bare
    assert packed(tmp_path, archive="wrapped.zip").digest == bare


def test_a_package_must_be_exact(tmp_path: Path) -> None:
    assert packed(tmp_path, package="demo[all]==1.2.3").requirement == "demo[all]==1.2.3"
    for loose in ("demo", "demo>=1", "demo==1.*", "demo==1 ; python_version<'4'", "--index-url=x demo==1"):
        with pytest.raises(ReleaseError, match=r"write name==1\.2\.3"):
            packed(tmp_path, package=loose)


def test_a_wheel_is_sent_and_named_as_the_requirement(tmp_path: Path) -> None:
    write(tmp_path, {"dist/demo-1.0-py3-none-any.whl": "wheel"})
    result = packed(tmp_path, package="dist/demo-1.0-py3-none-any.whl")
    assert (names(result), result.requirement) == (["demo-1.0-py3-none-any.whl"], "demo-1.0-py3-none-any.whl")


MISTAKES = [
    ({}, "demo.main:app", "neither demo/main.py nor demo/main/__init__.py"),
    (
        {"demo/main.py": "application = 1\nimport os\n"},
        "demo.main:app",
        "defines no 'app'; name one of application, os",
    ),
    ({"demo/main.py": "def app(:\n"}, "demo.main:app", "is not valid Python"),
    (CODE, "demo.main", "not of the form package.module:name"),
    (CODE, "demo/main.py:app", "not of the form package.module:name"),
]


@pytest.mark.parametrize(("files", "entrypoint", "message"), MISTAKES)
def test_an_entrypoint_that_cannot_be_imported_is_refused(
    tmp_path: Path, files: dict[str, str], entrypoint: str, message: str
) -> None:
    write(tmp_path / "source", {"README": "x", **files})
    with pytest.raises(ReleaseError, match=message):
        packed(tmp_path, entrypoint, path="source")


GOOD = [
    {"demo/main.py": "app = 1\n"},
    {"demo/main/__init__.py": "from .web import app\n"},
    {"src/demo/main.py": "app = 1\n"},
    {"demo/main.py": "if True:\n    app: int = 1\n"},
    {"demo/main.py": "try:\n    from x import app\nexcept ImportError:\n    pass\n"},
    {"demo/main.py": "from .web import *\n"},
    {"demo/main.py": "def __getattr__(name):\n    return 1\n"},
]


@pytest.mark.parametrize("files", GOOD)
def test_an_entrypoint_that_may_well_be_there_is_let_through(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path / "source", files)
    assert packed(tmp_path, path="source").archive


def test_a_factory_is_an_entrypoint(tmp_path: Path) -> None:
    write(tmp_path / "source", {"demo.py": "def make():\n    return 1\n"})
    assert packed(tmp_path, "demo:make()", path="source").archive


@pytest.mark.parametrize("source", [{"path": "nowhere"}, {"archive": "no.zip"}, {"package": "no-1-py3-none-any.whl"}])
def test_a_missing_source_is_named(tmp_path: Path, source: dict[str, str]) -> None:
    with pytest.raises(ReleaseError, match=f"{tmp_path}.*(is not a directory|is not a file) on the controller"):
        packed(tmp_path, **source)


def test_a_broken_archive_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"app.tar.gz": "no archive"})
    with pytest.raises(ReleaseError, match="cannot be unpacked"):
        packed(tmp_path, archive="app.tar.gz")
