# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Predicted capacity against the work that real machines were measured to do.

The machines in tests/unit/fixtures/hardware/measured_machines.yml are always checked. With the
environment variable WEBSTACK_CAPACITY_DIR all machines of a directory are checked, too:

    machines.csv    columns id, kind ("arm-biglittle" and others), measured_capacity: the work of all
                    CPUs in units of one thread on the fastest
    specs/<id>.yml  what can be known of the machine: arch, ram_mb, smt, cpu_model, dt_compatible, model, and
                    clusters with cpus, implementer, part, part_name, max_mhz, threads_per_core

The benchmark itself loses 13 % on 4 to 8 equal cores, so a prediction is compared with the
measured capacity / 0.87.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import yaml
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.capacity import (
    relative_speeds,
    total_capacity,
)
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.cores import NARROW, WIDE, WIDEST
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.cpuinfo import parse_cpuinfo
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.read import read_hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.topology import CpuFacts, read_cpus
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.tree import Tree
from unit.module_utils.hardware.machine_trees import Cluster, Machine, build_tree, load_fixture, machine_from

BENCHMARK_EFFICIENCY = 0.87
# What the predictor must reach: median and 90th percentile of the absolute error.
GOAL = {"all": (0.04, 0.13), "arm-biglittle": (0.05, 0.15)}
MEASURED = load_fixture("measured_machines.yml")


def error(predicted: float, measured: float) -> float:
    actual = measured / BENCHMARK_EFFICIENCY
    return abs(predicted - actual) / actual


def percentile(values: Iterable[float], share: float) -> float:
    """Return the linearly interpolated percentile."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * share
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


@pytest.mark.parametrize("facts", MEASURED, ids=lambda facts: facts["machine"])
def test_each_measured_machine_is_near(facts: dict[str, Any], tmp_path: Path) -> None:
    cpu = read_hardware(build_tree(tmp_path, machine_from(facts))).cpu
    assert error(cpu.capacity, facts["work_of_all"] / facts["work_of_fastest"]) < 0.17
    assert cpu.capacity <= cpu.online


def test_half_of_the_measured_machines_are_very_near(tmp_path: Path) -> None:
    errors = []
    for number, facts in enumerate(MEASURED):
        cpu = read_hardware(build_tree(tmp_path / str(number), machine_from(facts))).cpu
        errors.append(error(cpu.capacity, facts["work_of_all"] / facts["work_of_fastest"]))
    assert median(errors) <= 0.04


@dataclass(frozen=True)
class Measured:
    kind: str
    chip: str
    capacity: float
    cpus: tuple[CpuFacts, ...]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[Measured]:
    directory = os.environ.get("WEBSTACK_CAPACITY_DIR")
    if not directory:
        pytest.skip("WEBSTACK_CAPACITY_DIR names no directory of measured machines (see this file's docstring)")
    base = Path(directory)
    machines = []
    with (base / "machines.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            spec = yaml.safe_load((base / "specs" / f"{row['id']}.yml").read_text())
            tree = Tree(build_tree(tmp_path_factory.mktemp("machine"), _machine(spec)))
            cpus = read_cpus(tree, parse_cpuinfo(tree.text("proc/cpuinfo")))
            chip = (spec.get("dt_compatible") or [spec.get("cpu_model") or spec.get("model")])[-1]
            machines.append(Measured(row["kind"], str(chip), float(row["measured_capacity"]), cpus))
    return machines


def _machine(spec: dict[str, Any]) -> Machine:
    x86 = spec["arch"].startswith("x86")
    separator = " " if x86 else "/"
    clusters = [
        Cluster(
            cpus=str(entry["cpus"]),
            part=f"{entry['implementer']}{separator}{entry['part']}" if entry.get("part") else None,
            mhz=entry.get("max_mhz"),
            threads_per_core=entry.get("threads_per_core", spec["smt"]),
            name=spec.get("cpu_model") if x86 else entry.get("part_name"),
        )
        for entry in spec["clusters"]
    ]
    return Machine(clusters, spec["ram_mb"] * 1024, spec["arch"])


def _predict(cpus: Sequence[CpuFacts], **per_mhz: float) -> float:
    """Predict with other work per MHz of a class of cores than ours, where given."""
    changed = [
        replace(cpu, core_class=replace(cpu.core_class, per_mhz=per_mhz[cpu.core_class.name]))
        if cpu.core_class and cpu.core_class.name in per_mhz
        else cpu
        for cpu in cpus
    ]
    return total_capacity(changed, relative_speeds(changed)[0])


@pytest.mark.parametrize("kind", GOAL)
def test_errors_over_all_measured_machines(measured: list[Measured], kind: str) -> None:
    errors = [error(_predict(m.cpus), m.capacity) for m in measured if kind in ("all", m.kind)]
    wanted_median, wanted_percentile = GOAL[kind]
    print(f"{kind}: median {median(errors):.3f}, 90th percentile {percentile(errors, 0.9):.3f} of {len(errors)}")
    assert median(errors) <= wanted_median
    assert percentile(errors, 0.9) <= wanted_percentile + 1e-9


def test_nothing_is_learnt_from_single_chips(measured: list[Measured]) -> None:
    """Leave each chip out in turn: fit the classes to the others, and predict the one left out.

    Our figures come from what the classes are, not from this fit. It shows that no chip decides
    them: every fit lies near them, and none predicts unseen chips better than they do.
    """
    unequal = [m for m in measured if m.kind == "arm-biglittle"]
    grid = [(narrow / 20, wide / 20) for narrow in range(22, 34, 2) for wide in range(26, 36, 2)]
    errors = {weights: [error(_fitted(m, *weights), m.capacity) for m in unequal] for weights in grid}
    held_out = []
    for chip in sorted({m.chip for m in unequal}):
        others = [index for index, m in enumerate(unequal) if m.chip != chip]
        best = min(grid, key=lambda weights: sum(min(errors[weights][i], 0.2) for i in others))
        assert abs(best[0] - NARROW.per_mhz) <= 0.21, (chip, best)
        assert abs(best[1] - WIDE.per_mhz) <= 0.21, (chip, best)
        held_out += [error(_fitted(m, *best), m.capacity) for m in unequal if m.chip == chip]
    ours = [error(_predict(m.cpus), m.capacity) for m in unequal]
    print(f"held out: fitted {median(held_out):.3f}, ours {median(ours):.3f}")
    assert median(ours) <= median(held_out) + 0.005


def _fitted(machine: Measured, narrow: float, wide: float) -> float:
    widest = wide * WIDEST.per_mhz / WIDE.per_mhz
    return _predict(machine.cpus, **{NARROW.name: narrow, WIDE.name: wide, WIDEST.name: widest})
