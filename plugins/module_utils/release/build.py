# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build a release: an immutable directory that nothing uses until it is activated."""

from __future__ import annotations

import errno
import secrets
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable, TypeVar

from ..files import sync_directory, write_atomically
from .errors import ReleaseError
from .layout import Layout, new_release_id, replace_symlink
from .python_env import COMPLETE, build_venv
from .spec import Spec, environment_file, fingerprint
from .state import (
    Event,
    Release,
    current_id,
    finished_releases,
    now,
    read_history,
    read_release,
    record,
    release_document,
    release_ids,
    was_live,
)

T = TypeVar("T")


@dataclass
class Steps:
    """What was done and how long each step took, in seconds."""

    taken: list[tuple[str, float]] = field(default_factory=list)

    def take(self, name: str, action: Callable[[], T]) -> T:
        """Run one step; a full disk becomes a ``ReleaseError`` that says so."""
        started = time.monotonic()
        try:
            return action()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise ReleaseError(f"the disk is full (while: {name}); free some space and run again") from error
        finally:
            self.taken.append((name, round(time.monotonic() - started, 3)))


@dataclass(frozen=True)
class Built:
    """A release that is ready to be activated; ``built`` is false when it was there already."""

    id: str
    built: bool
    steps: tuple[tuple[str, float], ...] = ()


def find_equal(layout: Layout, spec: Spec) -> Release | None:
    """Return the release that makes building ``spec`` needless: the current one, or one that was never live.

    One that was live and replaced is not used again: going back to it is a rollback, and
    every deploy has a name of its own in the history.
    """
    if not layout.key.exists():
        return None
    digest = fingerprint(spec.manifest(layout.key.read_bytes()))
    history = read_history(layout)
    current = current_id(layout)
    for release in reversed(finished_releases(layout)):
        if release.digest == digest and (release.id == current or not was_live(history, release.id)):
            return release
    return None


def build(layout: Layout, spec: Spec, by: str, uv_version: str, force: bool = False) -> Built:
    """Build the release of ``spec`` unless it is there; the caller holds the app's lock.

    Raises ``ReleaseError`` with the reason and the last lines of output; what was half
    built is removed again, and what serves is never touched.
    """
    steps = Steps()
    remove_unfinished(layout)
    known = None if force else find_equal(layout, spec)
    if known:
        return Built(known.id, False)
    environment = environment_file({**spec.environment, **spec.secrets})
    key = steps.take("prepare", lambda: _prepare(layout))
    manifest = spec.manifest(key)
    digest = fingerprint(manifest)
    release_id = _free_id(layout, digest)
    try:
        source = steps.take("unpack", lambda: _unpack(layout, spec))
        venv = steps.take("virtualenv", lambda: build_venv(layout, spec, source, uv_version))
        release = Release(release_id, digest, now(), by, spec.source_digest, spec.source_label, venv, spec.settings)
        steps.take("write", lambda: _write(layout, release, spec.config, environment, manifest))
    except BaseException:
        remove_unfinished(layout)
        raise
    return Built(release_id, True, tuple(steps.taken))


def difference(layout: Layout, spec: Spec) -> dict[str, str]:
    """Return the manifests of the current release and of ``spec``, for a diff; secrets show as fingerprints."""
    key = layout.key.read_bytes() if layout.key.exists() else b""
    current = current_id(layout)
    manifest = layout.release(current) / "etc" / "manifest.json" if current else None
    before = manifest.read_text(encoding="utf-8") if manifest and manifest.exists() else ""
    return {"before": before, "after": spec.manifest(key)}


def copy_current(layout: Layout, spec: Spec) -> Spec:
    """Return ``spec`` with the code of the current release, for a release that changes only configuration."""
    current = current_id(layout)
    release = read_release(layout, current) if current else None
    if not release:
        raise ReleaseError(f"{layout.app}: nothing is live on this host, so there is nothing to reload; deploy first")
    return replace(spec, source_digest=release.source, source_label=release.source_label, archive=None)


def remove_unfinished(layout: Layout) -> None:
    """Remove what an interrupted build left behind."""
    for release_id in release_ids(layout):
        if not (layout.release(release_id) / "release.json").exists():
            shutil.rmtree(layout.release(release_id), ignore_errors=True)
    for venv in _children(layout.venvs):
        if not (venv / COMPLETE).exists():
            shutil.rmtree(venv, ignore_errors=True)
    for source in _children(layout.sources):
        if source.name.startswith("."):
            shutil.rmtree(source, ignore_errors=True)


def prune(layout: Layout, keep: set[str]) -> list[str]:
    """Remove the releases that are not in ``keep``, and what only they used; returns their ids."""
    removed = [release_id for release_id in release_ids(layout) if release_id not in keep]
    for release_id in removed:
        (layout.release(release_id) / "release.json").unlink(missing_ok=True)  # from here on it is unfinished
        shutil.rmtree(layout.release(release_id), ignore_errors=True)
    left = finished_releases(layout)
    used = {release.source for release in left} | {release.venv for release in left}
    for directory in (*_children(layout.venvs), *_children(layout.sources)):
        if directory.name not in used:
            shutil.rmtree(directory, ignore_errors=True)
    yesterday = time.time() - 86400  # a younger archive may belong to a deploy that is about to start
    for archive in _children(layout.incoming):
        if archive.name.split(".")[0] not in used and archive.stat().st_mtime < yesterday:
            archive.unlink(missing_ok=True)
    return removed


def _children(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _prepare(layout: Layout) -> bytes:
    for directory in (layout.releases, layout.sources, layout.venvs):
        directory.mkdir(parents=True, exist_ok=True)
    if not layout.key.exists():
        write_atomically(layout.key, secrets.token_hex(32), 0o600)
    return layout.key.read_bytes()


def _free_id(layout: Layout, digest: str) -> str:
    while True:
        release_id = new_release_id(digest, datetime.now(timezone.utc))
        if not layout.release(release_id).exists():
            return release_id
        time.sleep(0.2)  # built twice within one second


def _unpack(layout: Layout, spec: Spec) -> Path:
    source = layout.sources / spec.source_digest
    if source.is_dir():
        return source
    temporary = layout.sources / f".{spec.source_digest}.new"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    if spec.archive:
        _extract(Path(spec.archive), temporary)
    _compile(spec.python, temporary, source)
    temporary.replace(source)
    sync_directory(layout.sources)
    return source


def _extract(archive: Path, directory: Path) -> None:
    if not archive.is_file():
        raise ReleaseError(f"archive: {archive} is not on this host")
    command = ["tar", "--extract", "--gzip", "--file", str(archive), "--no-same-owner", "--directory", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No space left on device" in done.stderr:
        raise OSError(errno.ENOSPC, "unpacking")
    if done.returncode:
        raise ReleaseError(f"archive: {archive} cannot be unpacked", tuple(done.stderr.splitlines()[-5:]))


def _compile(python: str, directory: Path, final: Path) -> None:
    """Compile once here, because the service itself cannot write beside its code.

    A file that does not compile is no error yet: it may be a template or never imported.
    """
    options = ["-qq", "--invalidation-mode", "unchecked-hash", "-d", str(final)]
    subprocess.run([python, "-m", "compileall", *options, str(directory)], capture_output=True, check=False)


def _write(layout: Layout, release: Release, config: str, environment: str, manifest: str) -> None:
    home = layout.release(release.id)
    (home / "etc").mkdir(parents=True)
    replace_symlink(home / "src", f"../../sources/{release.source}")
    replace_symlink(home / "venv", f"../../venvs/{release.venv}")
    write_atomically(home / "etc" / "gunicorn.conf.py", config, 0o644)
    write_atomically(home / "etc" / "environment", environment, 0o600)
    write_atomically(home / "etc" / "manifest.json", manifest, 0o600)
    write_atomically(home / "release.json", release_document(asdict(release)), 0o600)
    sync_directory(layout.releases)
    record(layout, Event(now(), "built", release.id, current_id(layout), release.by))
