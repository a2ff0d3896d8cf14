# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack an app's source on the controller: one archive, named by its content."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .entrypoint import check_entrypoint, parse_entrypoint
from .errors import ReleaseError

# What no release needs or may have: histories, virtualenvs, caches, and files of secrets.
LEFT_OUT = frozenset(
    [".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".env"]
    + [".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox", ".DS_Store"]
)
EXACT_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._ -]+\])?==[A-Za-z0-9.!+_-]+")


@dataclass(frozen=True)
class Packed:
    """A source that is ready to be sent.

    ``archive`` is the packed file on the controller, ``None`` for a package of an index;
    ``digest`` names the content; ``label`` says to people where it came from;
    ``requirement`` is the package to install, if it is one.
    """

    digest: str
    label: str
    archive: str | None = None
    requirement: str | None = None


def pack(options: Mapping[str, Any]) -> Packed:
    """Pack the one of ``path``, ``archive`` and ``package`` that is given; relative ones start at ``base``."""
    base, cache, entrypoint = Path(options["base"]), Path(options["cache"]), options["entrypoint"]
    if options["path"]:
        return pack_directory(base / options["path"], cache, entrypoint)
    if options["archive"]:
        return pack_archive(base / options["archive"], cache, entrypoint)
    parse_entrypoint(entrypoint)
    return pack_package(options["package"], base, cache)


def pack_directory(directory: Path, cache: Path, entrypoint: str, label: str | None = None) -> Packed:
    """Pack a source tree, leaving out what git ignores there; the same content gives the same digest.

    Raises ``ReleaseError`` when it is missing, empty, or does not define the entrypoint.
    """
    if not directory.is_dir():
        raise ReleaseError(
            f"source.path: {str(directory)!r} is not a directory on the controller; "
            "correct it (a relative one starts at the inventory's directory)"
        )
    files = source_files(directory)
    if not files:
        raise ReleaseError(
            f"source.path: {str(directory)!r} has no files to deploy: all are ignored by git or left out; "
            "name the directory of the app"
        )
    check_entrypoint(directory, files, entrypoint)
    digest = content_digest(directory, files)
    archive = cache / f"{digest}.tar.gz"
    if not archive.exists():
        _write_archive(directory, files, archive)
    return Packed(digest, label or _describe(directory), str(archive))


def pack_archive(archive: Path, cache: Path, entrypoint: str) -> Packed:
    """Pack what is inside an archive (tar or zip, with or without one directory around it) as a source tree."""
    if not archive.is_file():
        raise ReleaseError(f"source.archive: {str(archive)!r} is not a file on the controller; correct the path")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            shutil.unpack_archive(archive, scratch)
        except (shutil.ReadError, ValueError, OSError) as error:
            raise ReleaseError(
                f"source.archive: {str(archive)!r} cannot be unpacked: {error}; pack it as tar or zip"
            ) from None
        top = list(Path(scratch).iterdir())
        inner = top[0] if len(top) == 1 and top[0].is_dir() and not (top[0] / "__init__.py").exists() else Path(scratch)
        return pack_directory(inner, cache, entrypoint, label=archive.name)


def pack_package(requirement: str, directory: Path, cache: Path) -> Packed:
    """Take a wheel beside ``directory``, or one exact version from an index.

    Raises ``ReleaseError`` for a requirement without an exact version: nobody could say
    later what such a release was.
    """
    if requirement.endswith(".whl"):
        wheel = directory / requirement
        if not wheel.is_file():
            raise ReleaseError(
                f"source.package: {str(wheel)!r} is not a file on the controller; build it or correct it"
            )
        digest = content_digest(wheel.parent, [wheel.name])
        archive = cache / f"{digest}.tar.gz"
        if not archive.exists():
            _write_archive(wheel.parent, [wheel.name], archive)
        return Packed(digest, wheel.name, str(archive), requirement=wheel.name)
    if not EXACT_REQUIREMENT.fullmatch(requirement):
        raise ReleaseError(
            f"source.package: {requirement!r} is neither a wheel (*.whl) nor an exact version; "
            "a release must be repeatable: write name==1.2.3"
        )
    digest = hashlib.sha256(requirement.encode()).hexdigest()[:16]
    return Packed(digest, requirement, requirement=requirement)


def source_files(directory: Path) -> list[str]:
    """Return the files of a source tree, sorted, relative to it: what git would not ignore, less ``LEFT_OUT``."""
    listed = _git(directory, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = listed.split("\0") if listed is not None else _walk(directory)
    return sorted({name for name in names if name and _wanted(directory, name)})


def _wanted(directory: Path, name: str) -> bool:
    path = directory / name
    left_out = any(part in LEFT_OUT for part in Path(name).parts) or name.endswith(".pyc")
    return not left_out and (path.is_file() or path.is_symlink())


def _walk(directory: Path) -> Iterable[str]:
    for root, names, files in os.walk(directory):
        names[:] = [name for name in names if name not in LEFT_OUT]
        for name in (*files, *(entry for entry in names if (Path(root) / entry).is_symlink())):
            yield str((Path(root) / name).relative_to(directory))


def content_digest(directory: Path, files: Iterable[str]) -> str:
    """Digest names, contents and executable bits; not times or owners, which differ between checkouts."""
    digest = hashlib.sha256()
    for name in files:
        path = directory / name
        content = f"-> {path.readlink()}".encode() if path.is_symlink() else path.read_bytes()
        kind = "l" if path.is_symlink() else "x" if os.access(path, os.X_OK) else "f"
        digest.update(f"{name}\0{kind}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _write_archive(directory: Path, files: Iterable[str], archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = archive.with_name(f".{archive.name}.{os.getpid()}")
    with (
        gzip.GzipFile(temporary, "wb", compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name in files:
            tar.add(directory / name, arcname=name, recursive=False, filter=_plain)
    temporary.replace(archive)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    return entry


def _describe(directory: Path) -> str:
    """Name a source tree for people: its directory, and git's commit where there is one."""
    commit = _git(directory, "describe", "--always", "--dirty", "--tags")
    return f"{directory.name} {commit.strip()}" if commit else directory.name


def _git(directory: Path, *arguments: str) -> str | None:
    """Return what git prints in a directory, or ``None`` where there is no git or no checkout."""
    command = ["git", "-c", f"safe.directory={directory}", "-C", str(directory), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
