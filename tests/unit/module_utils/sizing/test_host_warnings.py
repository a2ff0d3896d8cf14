# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine itself gives reason to say."""

from __future__ import annotations

import dataclasses

from unit.module_utils.sizing.machines import machine, planned


def test_the_machines_own_warnings_are_passed_on() -> None:
    assert "throttled to 1200 MHz" in planned(machine(2048, 2.0, warnings=("throttled to 1200 MHz",))).warnings


def test_a_tight_budget_without_swap_is_warned_about() -> None:
    def about_swap(swap_mb: int) -> bool:
        return any("no swap" in text for text in planned(machine(487, 1.0, swap_mb=swap_mb), {"name": "a"}).warnings)

    assert about_swap(0)
    assert not about_swap(512)


def test_swap_on_an_sd_card_is_warned_about_and_zram_is_not() -> None:
    def about_card(swap_mb: int, zram_mb: int, disk: str) -> bool:
        hardware = machine(2048, 2.0, swap_mb=swap_mb, zram_mb=zram_mb, disk=disk)
        return any("prefer zram" in text for text in planned(hardware, {"name": "a"}).warnings)

    assert about_card(1024, 0, "sd")
    assert about_card(1024, 0, "emmc")
    assert not about_card(1024, 1024, "sd")
    assert not about_card(1024, 0, "ssd")
    assert not about_card(0, 0, "sd")


def test_a_database_on_a_card_or_on_the_network_is_warned_about() -> None:
    def about(disk: str, *services: str) -> list[str]:
        warnings = planned(machine(4096, 2.0, disk=disk), {"name": "a"}, services=services).warnings
        return [text for text in warnings if "is on" in text]

    assert about("sd", "nginx", "postgres") == [
        "postgres: /var/lib/postgresql is on an SD card, which is slow to sync and wears out: move it to an SSD, and "
        "back it up"
    ]
    assert [text.partition(":")[0] for text in about("network", "mysql", "redis")] == ["mysql", "redis"]
    assert not about("sd", "nginx")
    assert not about("ssd", "postgres", "redis")


def test_a_disk_that_is_nearly_full_is_warned_about_once() -> None:
    def about(free_mb: int | None, *apps: dict[str, str]) -> list[str]:
        hardware = machine(4096, 2.0)
        storage = dataclasses.replace(hardware.storage[0], free_mb=free_mb)
        plan = planned(dataclasses.replace(hardware, storage=(storage,)), *apps, services=("nginx", "postgres"))
        return [text for text in plan.warnings if "are free" in text]

    assert about(2047, {"name": "a"}) == ["only 2047 MB are free on /, which holds /srv (apps)"]
    assert about(2047) == ["only 2047 MB are free on /, which holds /var/lib/postgresql (postgres)"]
    assert not about(2048, {"name": "a"})
    assert not about(None, {"name": "a"})


def test_huge_pages_set_aside_for_nobody_are_missing_from_the_budget() -> None:
    hardware = machine(8192, 2.0)
    hardware = dataclasses.replace(hardware, memory=dataclasses.replace(hardware.memory, huge_pages_mb=2048))
    without = {line.consumer: line.mb for line in planned(hardware, {"name": "a"}).memory}
    assert without["huge pages"] == 2048
    assert sum(without.values()) == 8192
    # PostgreSQL keeps its buffers in them: they are part of its line.
    beside = planned(hardware, {"name": "a"}, services=("nginx", "postgres")).memory
    assert "huge pages" not in {line.consumer for line in beside}
