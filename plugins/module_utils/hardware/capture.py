# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write down a machine, so that it can be planned for elsewhere.

What is captured is exactly what reading the machine reads: the reading is recorded. So a capture
reads back to the same facts and holds nothing else. Of files that say more than is used, only the
lines used are kept; container ids, host names and network addresses are replaced.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .mounts import Mount, parse_mountinfo
from .read import read_tree
from .storage import DATA_DIRECTORIES, SPACE
from .tree import READ_LIMIT, HardwareError, Tree
from .types import Hardware

_MARKER = "capture/format"
_FORMAT = "1\n"
_MEMINFO = re.compile(r"(MemTotal|SwapTotal|HugePages_Total|Hugepagesize|Hugetlb):")
# Which lines of a file to keep. All other files are kept whole.
_KEPT_LINES: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (re.compile(r"proc/meminfo"), _MEMINFO),
    (re.compile(r"sys/devices/system/node/node\d+/meminfo"), re.compile(r"Node \d+ MemTotal:")),
    (re.compile(r"proc/[^/]+/status"), re.compile(r"Cpus_allowed_list:")),
    (re.compile(r"proc/[^/]+/limits"), re.compile(r"Max open files")),
    (re.compile(r"proc/[^/]+/smaps"), re.compile(r"KernelPageSize:")),
    # s390's "processor 0: version = FF, identification = ..." is a serial number, too.
    (re.compile(r"proc/cpuinfo"), re.compile(r"(?![^:]*(serial|uuid|psn)|.*\bidentification\b)", re.I)),
    (re.compile(r".*/uevent"), re.compile(r"DEVNAME=")),
    (re.compile(r".*/memory\.stat"), re.compile(r"hierarchical_memory_limit ")),
    (re.compile(r"proc/(self/mountinfo|(self/)?mounts)|run/\.containerenv|\.dockerenv"), re.compile(r"(?!)")),
)
_MAC = re.compile(r"\b[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}\b")
# As in the name of the unit of one SSH connection: sshd@1-10.0.0.1:22-10.0.0.2:40000.service
_ADDRESS = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.])|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){3,}", re.I)
_LONG_ID = re.compile(r"[0-9a-f]{12,}|[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}")


class RecordingTree(Tree):
    """A tree that remembers what was read from it."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__(root)
        self.files: dict[str, bytes] = {}
        self.directories: set[str] = set()

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        data = super().read(path, limit)
        if data is not None:
            self.files[path] = data
        return data

    def names(self, path: str) -> list[str]:
        names = super().names(path)
        self.directories.update(f"{path}/{name}" for name in names)
        return names

    def exists(self, path: str) -> bool:
        found = super().exists(path)
        if found:
            self.directories.add(path)
        return found

    def noted(self, path: str, ask: Callable[[], str | None]) -> str | None:
        note = super().noted(path, ask)
        if note is not None:
            self.files[path] = f"{note}\n".encode()
        return note


@dataclass(frozen=True)
class Capture:
    """Files and empty directories of a tree, by path below its root, and what was read from it."""

    hardware: Hardware
    files: Mapping[str, bytes]
    directories: frozenset[str] = field(default_factory=frozenset)


def collect(
    source_root: Path | str = "/", unit_slice: str | None = None, directories: Sequence[str] = DATA_DIRECTORIES
) -> Capture:
    """Read a machine and return what its capture consists of. Raises HardwareError as read_hardware does."""
    tree = RecordingTree(source_root)
    hardware = read_tree(tree, unit_slice, directories)
    mounts = parse_mountinfo(tree)
    anonymous = _Anonymiser(_host_names(source_root))
    files = {anonymous.path(path): anonymous.content(path, data) for path, data in tree.files.items()}
    files["proc/self/mountinfo"] = _mountinfo(mounts, hardware, anonymous)
    for path in tree.directories:
        if path in (".dockerenv", "run/.containerenv"):
            files[path] = b""
    kept = {anonymous.path(path) for path in tree.directories} - files.keys()
    return Capture(hardware, {**files, _MARKER: _FORMAT.encode()}, frozenset(kept))


def _host_names(source_root: Path | str) -> set[str]:
    tree = Tree(source_root)
    names = {tree.line("proc/sys/kernel/hostname"), tree.line("etc/hostname")}
    names |= {name.partition(".")[0] for name in names if name}
    return {name for name in names if name and name not in ("localhost", "(none)")}


class _Anonymiser:
    """Replaces ids and names, one and the same everywhere by one and the same."""

    def __init__(self, host_names: set[str]) -> None:
        self._ids: dict[str, str] = {}
        names = "|".join(re.escape(name) for name in sorted(host_names, key=len, reverse=True))
        self._host = re.compile(rf"(?<![A-Za-z0-9])(?:{names})(?![A-Za-z0-9])") if names else None

    def path(self, path: str) -> str:
        return self._names(path) if path.startswith("sys/fs/cgroup/") else path

    def content(self, path: str, data: bytes) -> bytes:
        text = data.decode("utf-8", "surrogateescape")
        for file, lines in _KEPT_LINES:
            if file.fullmatch(path):
                text = "".join(line for line in text.splitlines(keepends=True) if lines.match(line))
        if path.endswith("/cgroup") or path.endswith("osrelease"):
            text = self._names(text)
        return _MAC.sub("00:00:00:00:00:00", text).encode("utf-8", "surrogateescape")

    def _names(self, text: str) -> str:
        text = _ADDRESS.sub("0.0.0.0", text)
        text = _LONG_ID.sub(lambda match: self._ids.setdefault(match[0], f"id{len(self._ids) + 1}"), text)
        return self._host.sub("host", text) if self._host else text

    def group(self, text: str) -> str:
        return self._names(text)


def _mountinfo(mounts: Sequence[Mount], hardware: Hardware, anonymous: _Anonymiser) -> bytes:
    """Return the mounts that matter, without what they are called elsewhere."""
    storage = {entry.mount: entry for entry in hardware.storage}
    lines = []
    for number, mount in enumerate(mounts, 1):
        cgroup = mount.fstype in ("cgroup", "cgroup2")
        if not cgroup and mount.mount_point not in storage:
            continue
        entry = storage.get(mount.mount_point)
        source = (entry.device if entry else None) or mount.fstype
        root, options = (anonymous.group(mount.root), ",".join(mount.super_options)) if cgroup else ("/", "rw")
        point = anonymous.group(mount.mount_point) if cgroup else mount.mount_point
        lines.append(
            f"{number} 0 {mount.device_number or '0:0'} {_escape(root)} {_escape(point)} rw - "
            f"{mount.fstype} {source} {options or 'rw'}\n"
        )
    return "".join(lines).encode("utf-8", "surrogateescape")


def _escape(text: str) -> str:
    return re.sub(r"[ \t\n\\]", lambda match: f"\\{ord(match[0]):03o}", text)


def write_capture(capture: Capture, dest: Path | str, check_mode: bool = False) -> bool:
    """Write a capture to an empty directory, or over an older one; return whether anything changes.

    A changed amount of free space alone is no change. In check mode nothing is written.
    Raises HardwareError when the directory holds anything else, or cannot be written.
    """
    root = Path(dest)
    try:
        old = _old_files(root)
        if _without_space(old) == _without_space(capture.files):
            return False
        if not check_mode:
            _write(capture, root, old)
    except OSError as error:
        raise HardwareError(
            f"capture to {dest}: {error.strerror or error}; give a directory that can be written"
        ) from None
    return True


def _old_files(root: Path) -> dict[str, bytes]:
    if not root.exists():
        return {}
    if any(root.iterdir()) and not (root / _MARKER).is_file():
        raise HardwareError(f"capture to {root}: the directory is neither empty nor a capture; give another one")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _without_space(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {path: data for path, data in files.items() if not path.startswith(f"capture/{SPACE}/")}


def _write(capture: Capture, root: Path, old: Mapping[str, bytes]) -> None:
    for path in old.keys() - capture.files.keys():
        (root / path).unlink()
    for path, data in capture.files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    for path in capture.directories:
        if not (root / path).exists():
            (root / path).mkdir(parents=True)


def capture(source_root: Path | str, dest: Path | str) -> bool:
    """Write a captured tree of the machine below ``source_root``; return whether anything changed."""
    return write_capture(collect(source_root), dest)
