# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which CPUs workers run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.cpulist import parse_cpu_list
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.read import read_hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.types import Cluster, Hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.errors import SizingError
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.types import Plan
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.module_utils.hardware.machine_trees import build_tree, load_fixture, machine_from
from unit.module_utils.sizing.machines import machine, planned

RK3588, RK3399 = ((4, 1.0), (4, 0.5)), ((2, 1.0), (4, 0.598))
AGENT = {"name": "a", "workload": "llm", "postgres": {}}


def clustered(*clusters: tuple[int, float], memory_mb: int = 16384, threads: int = 1) -> Hardware:
    """Return a machine with clusters of so many CPUs, each worth so much of the fastest."""
    capacity, first, made = sum(count * each for count, each in clusters), 0, []
    for number, (count, each) in enumerate(clusters):
        made.append(Cluster(f"core {number}", "big", tuple(range(first, first + count)), each))
        first += count
    hardware = machine(memory_mb, round(capacity, 3), usable=first)
    return replace(hardware, cpu=replace(hardware.cpu, clusters=tuple(made), threads_per_core=threads))


def plan_of(hardware: Hardware, *services: str, **app: Any) -> tuple[str, Plan]:
    plan = planned(hardware, {**AGENT, **app}, services=services or ("nginx", "postgres"))
    return plan.gunicorn["a"].allowed_cpus, plan


@pytest.mark.parametrize(("name", "slower"), [("Radxa ROCK 5B", "2.0"), ("Khadas Edge2", "1.9")])
def test_four_workers_of_an_rk3588_run_on_its_four_big_cores(tmp_path: Path, name: str, slower: str) -> None:
    facts = next(facts for facts in load_fixture("measured_machines.yml") if facts["machine"] == name)
    cpus, plan = plan_of(read_hardware(build_tree(tmp_path, machine_from(facts))))
    assert (cpus, plan.gunicorn["a"].workers) == ("4-7", 4)
    assert plan.reasons["gunicorn.a.allowed_cpus"] == (
        "4-7: the workers use 4.00 cores' worth, and these Cortex-A76 are worth 4.00; the others, where a request "
        f"takes {slower} times as long, are for everything else"
    )


@pytest.mark.parametrize(
    ("hardware", "app", "why"),
    [
        (clustered((8, 1.0)), {}, "none is much slower"),
        (clustered((4, 1.0), (2, 0.85)), {}, "none is much slower"),
        (clustered(*RK3399), {}, r"the workers use 3.00 cores' worth, and CPUs 0-1 alone are worth 2.00"),
        (clustered(*RK3588), {"workers": 6}, "the workers use 6.00"),
        (clustered(*RK3588, threads=2), {}, "two threads of a fast core"),
    ],
)
def test_all_cpus_where_the_fast_ones_do_not_hold_the_workers(
    hardware: Hardware, app: dict[str, Any], why: str
) -> None:
    cpus, plan = plan_of(hardware, **app)
    assert cpus == "all"
    assert why in plan.reasons["gunicorn.a.allowed_cpus"]


def test_a_part_of_a_machine_is_not_divided_further() -> None:
    hardware = clustered(*RK3588)
    assert plan_of(replace(hardware, cpu=replace(hardware.cpu, usable=6, capacity=5.0)))[0] == "all"
    assert plan_of(replace(hardware, cpu=replace(hardware.cpu, quota=3.0, capacity=3.0)))[0] == "all"


def test_without_a_database_there_are_more_workers_than_big_cores() -> None:
    assert plan_of(clustered(*RK3588), "nginx")[0] == "all"


def test_the_middle_cores_join_the_fastest_one() -> None:
    assert plan_of(clustered((1, 1.0), (4, 0.75), (3, 0.3)), workers=3)[0] == "0-4"


def test_workers_that_wait_share_a_core() -> None:
    cpus, plan = plan_of(clustered(*RK3588), workload="mixed")
    assert (cpus, plan.gunicorn["a"].workers) == ("0-3", 8)


def test_several_apps_count_together() -> None:
    one, two = ({**AGENT, "name": name, "workers": 3} for name in "ab")
    assert planned(clustered(*RK3588), one).gunicorn["a"].allowed_cpus == "0-3"
    assert planned(clustered(*RK3588), one, two).gunicorn["a"].allowed_cpus == "all"


def test_given_cpus_bound_what_the_workers_are_planned_for() -> None:
    cpus, plan = plan_of(clustered(*RK3588), allowed_cpus="4-7")
    assert (cpus, plan.gunicorn["a"].workers) == ("4-7", 2)
    assert "2.00 cores' worth of CPUs 4-7" in plan.reasons["gunicorn.a.workers"]
    assert "given by webstack_apps[0].allowed_cpus; computed: 0-3" in plan.reasons["gunicorn.a.allowed_cpus"]
    assert plan_of(clustered(*RK3588), allowed_cpus="all")[1].gunicorn["a"].workers == 4


@pytest.mark.parametrize("cpus", ["4-9", "big", "7-4", "", True])
def test_cpus_that_cannot_be_meant(cpus: Any) -> None:
    with pytest.raises(SizingError, match=r"webstack_apps\[0\]\.allowed_cpus: "):
        plan_of(clustered(*RK3588), allowed_cpus=cpus)


CLUSTERS = st.lists(st.tuples(st.integers(1, 12), st.floats(0.1, 0.99)), max_size=3)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(1, 12), CLUSTERS, st.sampled_from(["llm", "mixed", "cpu"]), st.integers(0, 3))
def test_where_workers_run_never_costs_any(
    fast: int, others: list[tuple[int, float]], workload: str, more: int
) -> None:
    """They are as many as without a choice, fewer cores never give more of them, and their CPUs keep them busy."""
    slower = sorted(others, key=lambda one: -one[1])
    hardware = clustered((fast, 1.0), *slower)
    cpus, plan = plan_of(hardware, workload=workload)
    workers = plan.gunicorn["a"].workers
    assert workers == plan_of(hardware, workload=workload, allowed_cpus="all")[1].gunicorn["a"].workers
    assert workers <= plan_of(clustered((fast + more, 1.0), *slower), workload=workload)[1].gunicorn["a"].workers
    if cpus != "all":
        chosen = parse_cpu_list(cpus) or frozenset()
        held = sum(len(chosen & set(one.cpus)) * one.capacity for one in hardware.cpu.clusters)
        assert workers / (2 if workload == "mixed" else 1) <= held + 0.5
        assert max(one.capacity for one in hardware.cpu.clusters if not chosen & set(one.cpus)) <= 0.8
