# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.memory import read_memory
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.tree import Tree
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.types import Memory
from unit.module_utils.hardware.machine_trees import write

MIB = 1 << 20


def memory(
    root: Path, files: Mapping[str, str], architecture: str | None = "aarch64", limit: int | None = None
) -> Memory:
    for path, content in files.items():
        write(root, path, content)
    return read_memory(Tree(root), architecture, limit)


def meminfo(**sizes: int) -> dict[str, str]:
    return {"proc/meminfo": "".join(f"{name}:  {value} kB\n" for name, value in sizes.items())}


def test_a_small_server(tmp_path: Path) -> None:
    found = memory(tmp_path, meminfo(MemTotal=498448, SwapTotal=524288), "x86_64")
    assert (found.total_mb, found.limit_mb, found.usable_mb) == (486, None, 486)
    assert (found.swap_mb, found.zram_mb, found.page_size) == (512, 0, 4096)


def test_a_limit_below_the_total_is_what_is_usable(tmp_path: Path) -> None:
    found = memory(tmp_path, meminfo(MemTotal=8 << 20), limit=1536 * MIB)
    assert (found.total_mb, found.limit_mb, found.usable_mb) == (8192, 1536, 1536)


@pytest.mark.parametrize("limit", [8192 * MIB, 9223372036854771712])
def test_a_limit_above_the_total_is_none(tmp_path: Path, limit: int) -> None:
    found = memory(tmp_path, meminfo(MemTotal=8 << 20), limit=limit)
    assert (found.limit_mb, found.usable_mb) == (None, 8192)


@pytest.mark.parametrize(
    "bases", [["sys/block"], ["sys/devices/virtual/block"], ["sys/block", "sys/devices/virtual/block"]]
)
def test_zram_is_no_memory(tmp_path: Path, bases: list[str]) -> None:
    """As on an Orange Pi 5 Max: 7.7 GiB, and 3.9 GiB of compressed swap in them."""
    files = meminfo(MemTotal=8124416, SwapTotal=4062204)
    for base in bases:
        files.update({f"{base}/zram0/disksize": "4159700992\n", f"{base}/zram1/disksize": "0\n"})
    found = memory(tmp_path, files)
    assert (found.usable_mb, found.swap_mb, found.zram_mb) == (7934, 3966, 3967)


@pytest.mark.parametrize(
    ("architecture", "huge_page_kib", "page_size"),
    [
        ("aarch64", 2048, 4096),
        ("aarch64", 32768, 16384),
        ("aarch64", 524288, 65536),
        ("aarch64", 1048576, None),
        ("aarch64", None, None),
        ("x86_64", 1048576, 4096),
        ("riscv64", None, 4096),
        ("ppc64le", 2048, None),
        (None, 2048, None),
    ],
)
def test_page_size_follows_from_architecture_or_huge_pages(
    tmp_path: Path, architecture: str | None, huge_page_kib: int | None, page_size: int | None
) -> None:
    sizes = {"MemTotal": 1 << 20, **({"Hugepagesize": huge_page_kib} if huge_page_kib else {})}
    assert memory(tmp_path, meminfo(**sizes), architecture).page_size == page_size


@pytest.mark.parametrize(
    "note", [{"capture/page_size": "16384\n"}, {"proc/self/smaps": "Size: 4 kB\nKernelPageSize:       16 kB\n"}]
)
def test_page_size_noted_in_the_tree(tmp_path: Path, note: dict[str, str]) -> None:
    assert memory(tmp_path, {**meminfo(MemTotal=1 << 20, Hugepagesize=2048), **note}).page_size == 16384


def test_huge_pages_and_transparent_ones(tmp_path: Path) -> None:
    files = {
        "proc/meminfo": "MemTotal: 4194304 kB\nHugePages_Total:     512\nHugepagesize:       2048 kB\n",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    }
    found = memory(tmp_path, files)
    assert (found.huge_pages_mb, found.huge_page_kb, found.thp) == (1024, 2048, "madvise")


def test_huge_pages_of_all_sizes_count(tmp_path: Path) -> None:
    text = "MemTotal: 8388608 kB\nHugePages_Total: 512\nHugepagesize: 2048 kB\nHugetlb: 3145728 kB\n"
    found = memory(tmp_path, {"proc/meminfo": text})
    assert (found.huge_pages_mb, found.huge_page_kb) == (3072, 2048)


def test_nodes_tell_the_size_where_meminfo_is_absent(tmp_path: Path) -> None:
    base = "sys/devices/system/node"
    files = {f"{base}/node{node}/meminfo": f"Node {node} MemTotal:  2097152 kB\n" for node in (0, 1)}
    assert memory(tmp_path, files).usable_mb == 4096


def test_an_unknown_size_is_none_not_a_guess(tmp_path: Path) -> None:
    found = memory(tmp_path, {"proc/meminfo": "MemTotal: many\n"}, limit=512 * MIB)
    assert (found.total_mb, found.usable_mb) == (None, None)
    assert found.limit_mb == 512
