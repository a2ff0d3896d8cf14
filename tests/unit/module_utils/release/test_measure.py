# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real processes, in control groups that are files: the real ones are in the scenario `default`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.release import measure
from ansible_collections.rightsize.webstack.plugins.module_utils.release.layout import Layout
from ansible_collections.rightsize.webstack.plugins.module_utils.release.measure import (
    WorkerMemory,
    measure_workers,
    peak_of_each,
)

MIB = 1 << 20
RELEASE = "20261121T041000Z-1a2b3c4"
UNIT = f"shop.slice/shop@{RELEASE}.service"
# A main process with a small worker and a large one; the large one once was larger still.
FAMILY = """
import os, signal
children = []
for size in (1, 60):
    child = os.fork()
    if child == 0:
        once = os.urandom(size * 2 << 20)
        kept = os.urandom(size << 20)
        del once
        print(os.getpid(), flush=True)
        signal.pause()
    children.append(child)
signal.pause()
"""


@pytest.fixture
def family() -> Iterator[list[int]]:
    main = subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, text=True)
    assert main.stdout is not None
    pids = [main.pid, *sorted(int(main.stdout.readline()) for _unused in range(2))]
    yield pids
    for pid in reversed(pids):
        subprocess.run(["kill", "-9", str(pid)], check=False)
    main.wait()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout("shop", srv=tmp_path / "srv")
    layout.release(RELEASE).mkdir(parents=True)
    layout.current.symlink_to(f"releases/{RELEASE}")
    return layout


@pytest.fixture
def units(tmp_path: Path) -> Path:
    directory = tmp_path / "units"
    directory.mkdir()
    (directory / "shop.slice").write_text("# Shop.\n# Planned with 75 MB for each worker; the next\n[Slice]\n")
    return directory


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _version_2(root: Path, pids: list[int], peak_mb: int, cached_mb: int) -> Path:
    _write(root / UNIT / "cgroup.procs", "".join(f"{pid}\n" for pid in pids))
    _write(root / UNIT / "memory.peak", f"{peak_mb * MIB}\n")
    _write(root / UNIT / "memory.stat", f"anon 5\nfile {cached_mb * MIB}\ninactive_file 7\n")
    return root


def _version_1(root: Path, pids: list[int], peak_mb: int, cached_mb: int) -> Path:
    _write(root / "systemd" / UNIT / "cgroup.procs", "".join(f"{pid}\n" for pid in pids))
    _write(root / "memory" / UNIT / "memory.max_usage_in_bytes", f"{peak_mb * MIB}\n")
    _write(root / "memory" / UNIT / "memory.stat", f"cache 3\ntotal_cache {cached_mb * MIB}\n")
    return root


@pytest.mark.parametrize("groups", [_version_1, _version_2])
def test_the_largest_worker_counts_at_rest_and_at_its_peak(
    groups: object, layout: Layout, units: Path, family: list[int], tmp_path: Path
) -> None:
    assert callable(groups)
    memory = measure_workers(layout, groups(tmp_path / "cgroups", family, peak_mb=1000, cached_mb=100), units)
    assert memory is not None and memory.rest_mb and memory.peak_mb and memory.hours is not None
    assert 60 <= memory.rest_mb <= 75
    # The control group had 900 MB, but no worker ever had more than it held at once.
    assert 175 <= memory.peak_mb <= 200
    assert memory.planned_mb == 75
    assert 0 <= memory.hours < 0.1


def test_the_peak_is_not_above_the_control_groups(
    layout: Layout, units: Path, family: list[int], tmp_path: Path
) -> None:
    memory = measure_workers(layout, _version_2(tmp_path / "cgroups", family, peak_mb=300, cached_mb=100), units)
    assert memory is not None and memory.peak_mb
    assert 80 <= memory.peak_mb <= 100


def test_a_group_without_numbers_leaves_the_processes_own(
    layout: Layout, units: Path, family: list[int], tmp_path: Path
) -> None:
    _write(tmp_path / UNIT / "cgroup.procs", "".join(f"{pid}\n" for pid in family))
    memory = measure_workers(layout, tmp_path, units)
    assert memory is not None and memory.peak_mb
    assert 175 <= memory.peak_mb <= 200


def test_of_a_release_that_does_not_run_only_the_plan_is_known(layout: Layout, units: Path, tmp_path: Path) -> None:
    assert measure_workers(layout, tmp_path, units) == WorkerMemory(planned_mb=75)
    assert measure_workers(layout, _version_2(tmp_path, [], 10, 1), units) == WorkerMemory(planned_mb=75)


def test_without_a_release_nothing_is_known(tmp_path: Path) -> None:
    assert measure_workers(Layout("other", srv=tmp_path), tmp_path) is None


def test_a_slice_that_does_not_say_what_was_planned(
    layout: Layout, units: Path, family: list[int], tmp_path: Path
) -> None:
    memory = measure_workers(layout, _version_2(tmp_path / "cgroups", family, 300, 100), tmp_path)
    assert memory is not None and memory.rest_mb
    assert memory.planned_mb is None


def test_the_role_writes_what_is_read_here(units: Path) -> None:
    role = Path(__file__).resolve().parents[4] / "roles" / "gunicorn_app" / "templates" / "app.slice.j2"
    wording = "# Planned with {} MB for each worker"
    assert wording.format("{{ __gunicorn_app_plan.memory_per_worker_mb }}") in role.read_text()
    assert wording.format(75) in (units / "shop.slice").read_text()


def test_a_main_process_alone_is_not_measured(layout: Layout, units: Path, family: list[int], tmp_path: Path) -> None:
    alone = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    try:
        memory = measure_workers(layout, _version_2(tmp_path, [alone.pid], 300, 100), units)
        assert memory == WorkerMemory(planned_mb=75)
    finally:
        alone.kill()
        alone.wait()


def test_without_psutil_it_says_what_is_missing(
    layout: Layout, units: Path, family: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "HAS_PSUTIL", False)
    memory = measure_workers(layout, _version_2(tmp_path, family, 300, 100), units)
    assert memory is not None and memory.problem and "python3-psutil is not installed" in memory.problem
    assert memory.planned_mb == 75


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_without_root_the_plan_is_kept_and_it_is_said_why(
    layout: Layout, units: Path, family: list[int], tmp_path: Path
) -> None:
    groups = _version_2(tmp_path, family, 300, 100)
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    os.seteuid(65534)
    try:
        memory = measure_workers(layout, groups, units)
    finally:
        os.seteuid(0)
    assert memory is not None and memory.problem and "needs root" in memory.problem
    assert (memory.planned_mb, memory.rest_mb) == (75, None)


def test_a_peak_is_divided_among_the_workers() -> None:
    assert peak_of_each(500, 100, [150, 50]) == 200
    assert peak_of_each(50, 100, [150, 50]) == 0
