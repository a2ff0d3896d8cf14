# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the virtualenv that a release runs in, once for every set of dependencies."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from .errors import ReleaseError
from .layout import Layout
from .spec import Spec
from .systemd import journal_tail, run_confined

BUILD_USER = "webstack-build"
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
OLDEST_PYTHON = (3, 10)
TOOLS = Path("/opt/webstack")
COMPLETE = ".complete"
UNRESOLVED = re.compile(r"No solution found|ResolutionImpossible|No matching distribution|not found in the .*registry")


def dependency_files(source: Path, named: str | None) -> list[str]:
    """Return the files that say what an app depends on, the one to install from first.

    The order is from exact to loose: a uv.lock, then requirements.txt, then pyproject.toml.
    Raises ``ReleaseError`` when a file named by the user is not there.
    """
    if named:
        if not (source / named).is_file():
            raise ReleaseError(f"dependencies: {named!r} is not a file of the source")
        return [named]
    if (source / "uv.lock").is_file() and (source / "pyproject.toml").is_file():
        return ["uv.lock", "pyproject.toml"]
    return [name for name in ("requirements.txt", "pyproject.toml") if (source / name).is_file()][:1]


def venv_name(spec: Spec, source: Path, python_version: str) -> str:
    """Return the name of the virtualenv for a source: equal dependencies give an equal name."""
    digest = hashlib.sha256()
    parts = [spec.python, python_version, spec.installer, *spec.server_requirements, spec.requirement or ""]
    files = dependency_files(source, spec.dependencies)
    if spec.requirement or (spec.installer == "pip" and files == ["pyproject.toml"]):
        parts.append(spec.source_digest)  # the project itself is installed, so its code counts
    for part in parts:
        digest.update(part.encode() + b"\0")
    for name in files:
        digest.update((source / name).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def python_version(python: str) -> str:
    """Return "3.13" for an interpreter; raises ``ReleaseError`` when it is missing or too old for gunicorn."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise ReleaseError(f"python: {python} does not run on this host ({error}); name another interpreter") from None
    if tuple(map(int, found.split("."))) < OLDEST_PYTHON:
        raise ReleaseError(f"python: {python} is Python {found}; gunicorn needs 3.10 or newer: name another one")
    return found


def build_venv(layout: Layout, spec: Spec, source: Path, uv_version: str) -> str:
    """Make the virtualenv for a source unless it is there; returns its name."""
    name = venv_name(spec, source, python_version(spec.python))
    venv = layout.venvs / name
    if not (venv / COMPLETE).exists():
        uv = ensure_uv(layout, spec, uv_version) if spec.installer == "uv" else ""
        _make(layout, spec, source, venv, install_commands(spec, source, venv, uv))
    return name


def ensure_uv(layout: Layout, spec: Spec, version: str) -> str:
    """Install uv from its PyPI package where no release has been built with it yet; returns its path."""
    home = TOOLS / f"uv-{version}"
    if not (home / COMPLETE).exists():
        install = [f"{home}/bin/python", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        commands = [[spec.python, "-m", "venv", str(home)], [*install, f"uv=={version}"]]
        _make(layout, spec, Path("/"), home, commands)
    return f"{home}/bin/uv"


def _make(layout: Layout, spec: Spec, source: Path, venv: Path, commands: list[list[str]]) -> None:
    """Run the commands that make a virtualenv, in its final place, because it cannot be moved.

    The marker written last tells a whole one from one that a crash or a full disk cut short.
    """
    shutil.rmtree(venv, ignore_errors=True)
    for directory in (venv, layout.cache):
        directory.mkdir(parents=True, exist_ok=True)
        shutil.chown(directory, BUILD_USER, BUILD_USER)
    try:
        for command in commands:
            _build(layout, spec, source, venv, command)
        _hand_to_root(venv)
        (venv / COMPLETE).touch()
    except BaseException:
        shutil.rmtree(venv, ignore_errors=True)
        raise


def install_commands(spec: Spec, source: Path, venv: Path, uv: str) -> list[list[str]]:
    """Return the commands that make the virtualenv, in order."""
    files = dependency_files(source, spec.dependencies)
    wanted = [*spec.server_requirements, *_requirement(spec, source)]
    if spec.installer == "pip":
        project = ["."] if files == ["pyproject.toml"] else [word for name in files for word in ("-r", name)]
        install = [f"{venv}/bin/python", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        return [[spec.python, "-m", "venv", "--clear", str(venv)], [*install, *project, *wanted]]
    commands = [[uv, "venv", "--quiet", "--clear", "--python", spec.python, str(venv)]]
    install = [uv, "pip", "install", "--quiet", "--python", f"{venv}/bin/python"]
    if "uv.lock" in files:
        commands.append([uv, "sync", "--quiet", "--frozen", "--no-dev", "--no-install-project"])
        return [*commands, [*install, *wanted]]
    return [*commands, [*install, *(word for name in files for word in ("-r", name)), *wanted]]


def _requirement(spec: Spec, source: Path) -> list[str]:
    if not spec.requirement:
        return []
    return [str(source / spec.requirement) if spec.requirement.endswith(".whl") else spec.requirement]


def _build(layout: Layout, spec: Spec, source: Path, venv: Path, command: list[str]) -> None:
    environment = {
        "HOME": str(layout.cache),
        "XDG_CACHE_HOME": str(layout.cache),
        "UV_CACHE_DIR": str(layout.cache / "uv"),
        "UV_PROJECT_ENVIRONMENT": str(venv),
        "UV_LINK_MODE": "copy",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_COMPILE_BYTECODE": "1",
        "UV_NO_PROGRESS": "1",
        "SSL_CERT_FILE": CA_BUNDLE,
        "PIP_CERT": CA_BUNDLE,
        **spec.build_environment,
    }
    done = run_confined(
        f"{layout.app}-build",
        command,
        user=BUILD_USER,
        directory=source,
        writable=[venv, layout.cache],
        environment=environment,
    )
    if done.returncode:
        output = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        output = output or list(journal_tail(f"{layout.app}-build.service"))
        raise ReleaseError(_why(output), tuple(line[:400] for line in output[-20:]))


def _why(output: list[str]) -> str:
    if any("No space left on device" in line for line in output):
        return "the disk is full: the virtualenv could not be built; free some space and run again"
    if any(UNRESOLVED.search(line) for line in output):
        return "the dependencies don't resolve; correct the file that names them and deploy again"
    return "the virtualenv could not be built"


def _hand_to_root(venv: Path) -> None:
    """Take the files from the build user: a release does not change once it is built."""
    for path in (venv, *venv.rglob("*")):
        os.chown(path, 0, 0, follow_symlinks=False)
