# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the server itself judge a drop-in that is not in place yet."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .errors import MysqlError
from .variables import Value, differing, text

#: Where servers look for drop-ins; the first that exists is taken. Read after the distributions' own files.
DROP_IN_DIRECTORIES = ("/etc/mysql/mariadb.conf.d", "/etc/mysql/mysql.conf.d", "/etc/mysql/conf.d", "/etc/my.cnf.d")
DROP_IN = "99-webstack.cnf"
SERVERS = ("mariadbd", "mysqld")
_PLACES = ("/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/mysql/bin")
_INCLUDE = re.compile(r"\s*!include(?P<dir>dir)?\s+(?P<path>\S+)\s*")
_FILES = re.compile(r"Default options are read from the following files in the given order:\n(?P<files>.*)\n")
_VALUES = re.compile(r"^Variables \(--variable-name=value\)\n.*\n-+ -+\n(?P<lines>(?:.+\n)*)", re.MULTILINE)
# What the server says beside a setting that it does not take as it stands. Its time stamp is of no use here.
_COMPLAINT = re.compile(r"^(?:\S+\s+\S+\s+\d+\s+)?\[(?P<level>ERROR|Warning)\]\s*(?P<text>.*)$")


def find_server(directories: Sequence[str] = _PLACES) -> str | None:
    """Return the path of the server's program, if there is one."""
    for name in SERVERS:
        for directory in directories:
            path = Path(directory) / name
            if path.is_file() and os.access(path, os.X_OK):
                return str(path)
    return None


def drop_in_path() -> Path:
    """Return where our drop-in goes. Raises ``MysqlError`` where no directory for it is known."""
    for directory in DROP_IN_DIRECTORIES:
        if Path(directory).is_dir():
            return Path(directory) / DROP_IN
    raise MysqlError(
        f"none of {', '.join(DROP_IN_DIRECTORIES)} is there, so the server's drop-in directory is not known. "
        "Set mysql_tuning_config_file to a file that the server reads"
    )


def flatten(files: Sequence[Path], drop_in: Path, candidate: str) -> str:
    """Return all that the server would read from ``files``, with ``candidate`` in the place of ``drop_in``."""
    parts: list[str] = []
    used = False
    for path, content in _read_all(files, drop_in):
        parts.append(candidate if path == drop_in else content)
        used = used or path == drop_in
    if not used:
        raise MysqlError(
            f"{drop_in}: the server does not read it. Its options files ({', '.join(map(str, files))}) include other "
            "directories; set mysql_tuning_config_file to a file in one of those"
        )
    return "\n".join(parts)


def _read_all(files: Sequence[Path], drop_in: Path) -> Iterator[tuple[Path, str]]:
    for file in files:
        if file == drop_in:
            yield file, ""
        elif file.is_file():
            yield from _read(file, drop_in, depth=0)


def _read(file: Path, drop_in: Path, depth: int) -> Iterator[tuple[Path, str]]:
    """Yield a file's text in pieces, with what it includes in between, as the server reads it."""
    if depth > 10:
        raise MysqlError(f"{file}: options files include one another without end")
    lines: list[str] = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        included = _INCLUDE.fullmatch(line)
        if not included:
            lines.append(line)
            continue
        yield file, "\n".join(lines)
        lines = []
        for path in _included(Path(included["path"]), bool(included["dir"]), drop_in):
            if path == drop_in:
                yield path, ""
            else:
                yield from _read(path, drop_in, depth + 1)
    yield file, "\n".join(lines)


def _included(path: Path, is_directory: bool, drop_in: Path) -> list[Path]:
    if not is_directory:
        return [path] if path.is_file() or path == drop_in else []
    found = {file for file in path.glob("*.cnf") if file.is_file()} if path.is_dir() else set()
    # The directory may have two names, as /etc/my.cnf.d has where it is a symlink.
    if path.resolve() == drop_in.parent.resolve():
        found = {file for file in found if file.name != drop_in.name} | {drop_in}
    return sorted(found, key=lambda file: file.name)


def judge(program: str, drop_in: Path, candidate: str, wanted: Mapping[str, Value]) -> dict[str, str]:
    """Have the server parse its configuration with ``candidate`` in place; nothing that it reads is touched.

    Returns the values that it would start with, by name, as it writes them. Raises ``MysqlError`` with the server's own
    words when it would not start, would change or ignore one of ``wanted``, or would take another file's value.
    """
    files = [Path(name).expanduser() for name in default_files(_help(program, []).stdout)]
    # Beside the others, because a confined server may read nothing elsewhere.
    copy = drop_in.with_name(f".{drop_in.name}.candidate")
    try:
        copy.write_text(flatten(files, drop_in, candidate), encoding="utf-8")
        copy.chmod(0o644)
        said = _help(program, [f"--defaults-file={copy}"])
    except OSError as error:
        raise MysqlError(f"nothing was changed: {copy} could not be written: {error.strerror}") from None
    finally:
        copy.unlink(missing_ok=True)
    problems = verdict(said.returncode, said.stdout, said.stderr, wanted)
    if problems:
        raise MysqlError("\n".join(["the server refuses its settings, so nothing was changed:", *problems]))
    return effective(said.stdout)


def _help(program: str, options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # Options files' options count only before the others, and --user because a server does not run as root.
    command = [program, *options, "--user=mysql", "--verbose", "--help"]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=60)


def default_files(output: str) -> list[str]:
    """Return the options files that the server names in its ``--help``."""
    found = _FILES.search(output)
    return found["files"].split() if found else ["/etc/my.cnf", "/etc/mysql/my.cnf", "~/.my.cnf"]


def effective(output: str) -> dict[str, str]:
    """Return the values that the server lists in ``--verbose --help``, by name with underscores."""
    found = _VALUES.search(output)
    pairs = (line.split(None, 1) for line in (found["lines"] if found else "").splitlines())
    return {pair[0].replace("-", "_"): pair[1].strip() if len(pair) > 1 else "" for pair in pairs}


def verdict(rc: int, output: str, errors: str, wanted: Mapping[str, Value]) -> list[str]:
    """Return what is wrong with a configuration, from how ``--verbose --help`` ended and what it said."""
    complaints = [(match["level"], match["text"]) for match in map(_COMPLAINT.match, errors.splitlines()) if match]
    problems = [line for level, line in complaints if level == "ERROR" or _names_one(line, wanted)]
    if rc != 0 and not problems:
        problems = errors.strip().splitlines()[-3:] or [f"it ended with exit code {rc} and said nothing"]
    spoken_of = " ".join(problems).replace("-", "_")
    values = effective(output)
    for name, value in differing(wanted, values).items():
        if not problems and name not in spoken_of:
            problems.append(
                f"{name} = {text(value)}: the server would have {values[name]} instead. Either another options file or "
                f"the command line sets it after ours, or the value is outside its limits"
            )
    return problems


def _names_one(line: str, wanted: Mapping[str, Value]) -> bool:
    words = set(re.findall(r"[a-z][a-z0-9_]+", line.replace("-", "_")))
    return not words.isdisjoint(wanted)
