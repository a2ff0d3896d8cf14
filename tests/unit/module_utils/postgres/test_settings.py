# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings are compared by what they mean."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.postgres.settings import as_text, differing, equal


def row(name: str, setting: str, vartype: str, unit: str | None = None, **more: Any) -> dict[str, Any]:
    usual = {"context": "user", "pending_restart": False, "source": "configuration file"}
    return {"name": name, "setting": setting, "vartype": vartype, "unit": unit, **usual, **more}


@pytest.mark.parametrize(
    ("text", "setting", "vartype", "unit"),
    [
        ("128MB", "16384", "integer", "8kB"),
        ("1GB", "131072", "integer", "8kB"),
        ("1152kB", "1152", "integer", "kB"),
        ("4096", "4096", "integer", "kB"),
        ("1d", "1440", "integer", "min"),
        ("5min", "300", "integer", "s"),
        ("0.5s", "500", "integer", "ms"),
        ("-1", "-1", "integer", "ms"),
        ("1.5", "1.5", "real", None),
        ("on", "on", "bool", None),
        ("true", "on", "bool", None),
        ("on", "try", "enum", None),
        ("lz4", "lz4", "enum", None),
        ("a,b", "a, b", "string", None),
    ],
)
def test_equal_settings(text: str, setting: str, vartype: str, unit: str | None) -> None:
    assert equal(text, row("x", setting, vartype, unit)) is (setting != "try")


@pytest.mark.parametrize(
    ("text", "setting", "vartype", "unit"),
    [
        ("128MB", "16383", "integer", "8kB"),
        ("128kB", "131072", "integer", "kB"),
        ("1min", "1", "integer", "s"),
        ("2 apples", "2", "integer", "kB"),
        ("1.1", "1.2", "real", None),
        ("off", "on", "bool", None),
        ("maybe", "on", "bool", None),
        ("pglz", "lz4", "enum", None),
        ("a", "a, b", "string", None),
    ],
)
def test_settings_that_differ(text: str, setting: str, vartype: str, unit: str | None) -> None:
    assert not equal(text, row("x", setting, vartype, unit))


def test_what_needs_a_restart_is_told_from_what_does_not() -> None:
    rows = [
        row("work_mem", "4096", "integer", "kB"),
        row("shared_buffers", "16384", "integer", "8kB", context="postmaster", pending_restart=True),
        row("jit", "on", "bool", source="/var/lib/postgresql/17/main/postgresql.auto.conf"),
    ]
    wanted = {"work_mem": "4MB", "shared_buffers": "256MB", "jit": False, "pg_stat_statements.max": 1000}
    found = {one["name"]: one for one in differing(wanted, rows)}
    assert sorted(found) == ["jit", "pg_stat_statements.max", "shared_buffers"]
    assert found["shared_buffers"]["restart"] and found["pg_stat_statements.max"]["restart"]
    assert not found["jit"]["restart"] and found["jit"]["source"].endswith("postgresql.auto.conf")
    assert (found["shared_buffers"]["wanted"], found["shared_buffers"]["live"]) == ("256MB", "16384 × 8kB")


def test_booleans_of_the_inventory_are_written_as_postgresql_has_them() -> None:
    assert (as_text(True), as_text(False), as_text(3), as_text("x")) == ("on", "off", "3", "x")


def test_what_only_a_start_reads_needs_a_restart_before_the_server_has_even_seen_it() -> None:
    (one,) = differing({"max_connections": 50}, [row("max_connections", "100", "integer", context="postmaster")])
    assert one["restart"]


def test_a_setting_that_is_not_ours_any_more_waits_for_a_restart_too() -> None:
    rows = [row("shared_buffers", "16384", "integer", "8kB", context="postmaster", pending_restart=True)]
    pending = [{**one, "wanted": "256MB"} for one in rows]
    pending.append({"name": "max_locks_per_transaction", "setting": "256", "unit": None, "wanted": "its default"})
    found = differing({"shared_buffers": "256MB"}, rows, pending)
    assert [one["name"] for one in found] == ["shared_buffers", "max_locks_per_transaction"], "each once"
    assert found[1] == {
        "name": "max_locks_per_transaction",
        "wanted": "its default",
        "live": "256",
        "restart": True,
        "source": "",
        "setting": "256",
    }
