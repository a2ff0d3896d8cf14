# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server that does not start means, and other things that need no server."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.redis import server
from ansible_collections.rightsize.webstack.plugins.module_utils.redis.errors import RedisError

BINARY = Path("/usr/bin/redis-server")
# As the servers print it.
PAGES = "<jemalloc>: Unsupported system page size\n"
ARM64 = """\
1:C 24 Nov 2026 03:14:54.588 # WARNING Your kernel has a bug that could lead to data corruption during background \
save. Please upgrade to the latest stable kernel.
1:C 24 Nov 2026 03:14:54.588 # Redis will now exit to prevent data corruption. Note that it is possible to suppress \
this warning by setting the following config: ignore-warnings ARM64-COW-BUG
"""
BAD_VALUE = """\

*** FATAL CONFIG FILE ERROR (Redis 8.0.2) ***
Reading the configuration file, at line 22
>>> 'maxmemory-policy nonsense'
argument(s) must be one of the following: volatile-lru, noeviction
"""
UNKNOWN = """\
1458:M 24 Nov 2026 03:39:21.017 # Unresolved Configuration(s) Detected:
1458:M 24 Nov 2026 03:39:21.017 # >>> 'nonsense 1'
1458:M 24 Nov 2026 03:39:21.017 # Module Configuration detected without loadmodule directive or no ApplyConfig call
"""
BIND = """\
1456:C 24 Nov 2026 03:39:20.835 # WARNING Memory overcommit must be enabled!
1456:M 24 Nov 2026 03:39:20.839 * Running mode=standalone, port=59387.
1456:M 24 Nov 2026 03:39:20.839 # Warning: Could not create server TCP listening socket 10.9.9.9:59387: bind: \
Cannot assign requested address
1456:M 24 Nov 2026 03:39:20.839 # Failed listening on port 59387 (tcp), aborting.
"""


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (PAGES, ["pages of 16 KiB", "kernel8.img"]),
        (ARM64, ["corrupt data", "newer kernel", "ignore-warnings: ARM64-COW-BUG"]),
        (BAD_VALUE, ["'maxmemory-policy nonsense'", "must be one of", "redis_settings"]),
        (UNKNOWN, ["'nonsense 1'", "not known"]),
        (BIND, ["10.9.9.9", "Cannot assign requested address"]),
        ("", ["would not start"]),
    ],
)
def test_it_says_what_a_failed_start_means(output: str, words: list[str]) -> None:
    told = server.explain(output, BINARY, page_size=16384)
    assert told.startswith("nothing was changed: ")
    assert [word for word in words if word not in told] == []
    assert "overcommit" not in told


def test_files_are_replaced_at_once_with_mode_and_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.chown", lambda *_unused: None)
    path = tmp_path / "file"
    server.write(path, "one", 0o640)
    server.write(path, "two", 0o600)
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "file"
    with pytest.raises(RedisError, match="could not be written: No such file or directory"):
        server.write(path, "text", 0o600)


@pytest.mark.parametrize(
    ("file", "text", "limit"),
    [
        ("a.service/memory.max", "314572800\n", 300),
        ("a.service/memory.max", "max\n", None),
        ("memory/a.service/memory.limit_in_bytes", "314572800\n", 300),
        ("memory/a.service/memory.limit_in_bytes", "9223372036854771712\n", None),
    ],
)
def test_the_kernels_limit_in_both_hierarchies(tmp_path: Path, file: str, text: str, limit: int | None) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)
    assert server.memory_max_mb("/a.service", tmp_path) == limit


def test_no_group_has_no_limit(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("314572800\n")
    assert server.memory_max_mb("", tmp_path) is None
