# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings that the planned services need."""

from __future__ import annotations

import dataclasses

from unit.module_utils.sizing.machines import machine, planned


def test_only_redis_asks_for_overcommit() -> None:
    assert planned(machine(2048, 2.0), services=("redis",)).services["kernel"].overcommit_memory == 1
    assert planned(machine(2048, 2.0), services=("postgres",)).services["kernel"].overcommit_memory == 0


def test_the_backlog_fits_into_somaxconn() -> None:
    kernel = planned(machine(2048, 2.0), {"name": "a", "backlog": 8192}).services["kernel"]
    assert kernel.somaxconn == 8192


def test_stateful_services_lower_swappiness() -> None:
    assert planned(machine(2048, 2.0), {"name": "a"}).services["kernel"].swappiness == 60
    assert planned(machine(2048, 2.0), services=("postgres",)).services["kernel"].swappiness == 10


def test_huge_pages_hold_the_shared_buffers() -> None:
    hardware = machine(16384, 4.0)
    hardware = dataclasses.replace(hardware, memory=dataclasses.replace(hardware.memory, huge_page_kb=2048))
    services = planned(hardware, services=("postgres",)).services
    assert services["kernel"].nr_hugepages * 2 >= services["postgres"].shared_buffers_mb
    assert planned(machine(16384, 4.0), services=("postgres",)).services["kernel"].nr_hugepages == 0


def test_open_files_are_bounded_by_the_host() -> None:
    assert planned(machine(16384, 4.0, open_files=20000), services=("redis",)).services["kernel"].open_files == 10032
    assert planned(machine(16384, 4.0, open_files=4096), services=("redis",)).services["kernel"].open_files == 4096
