# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a machine is asked for a test host depends on what it can do."""

from __future__ import annotations

import pytest
from hosts import machine

MAY_RAISE_LIMITS = 1 << machine.CAP_SYS_RESOURCE


def test_capabilities_are_read_from_the_process_status() -> None:
    assert machine.effective_capabilities("Name:\tx\nCapEff:\t000001fffeffffff\nCapBnd:\t0\n") == 0x1FFFEFFFFFF


def test_without_a_capability_line_there_are_none() -> None:
    assert machine.effective_capabilities("Name:\tx\n") == 0


@pytest.mark.parametrize(
    ("capabilities", "nofile", "nproc", "expected"),
    [
        pytest.param(MAY_RAISE_LIMITS, 20_000, 90_000, [], id="may raise its limits"),
        pytest.param(0, 1_048_576, 90_000, [], id="limits are high enough"),
        pytest.param(0, -1, -1, [], id="unlimited"),
        pytest.param(0, 20_000, 90_000, ["nofile=20000:20000", "nproc=16384:16384"], id="low file limit"),
        pytest.param(0, 20_000, 4_096, ["nofile=20000:20000", "nproc=4096:4096"], id="low file and process limits"),
        pytest.param(0, 20_000, -1, ["nofile=20000:20000", "nproc=16384:16384"], id="processes unlimited"),
    ],
)
def test_limits_are_passed_only_where_podman_could_not_raise_them(
    capabilities: int, nofile: int, nproc: int, expected: list[str]
) -> None:
    assert machine.ulimits(capabilities, nofile, nproc) == expected


def test_the_default_runtime_is_kept_when_it_works() -> None:
    assert machine.working_runtime(lambda runtime: "") is None


def test_another_runtime_is_taken_when_the_default_fails() -> None:
    assert machine.working_runtime(lambda runtime: "" if runtime == "runc" else "no cgroups") == "runc"


def test_when_no_runtime_works_every_error_is_told() -> None:
    with pytest.raises(machine.UnsuitableError) as error:
        machine.working_runtime(lambda runtime: f"{runtime} broke")
    assert "crun broke" in str(error.value)
    assert "runc broke" in str(error.value)


@pytest.mark.parametrize(
    ("environment", "bundle_exists"),
    [({}, True), ({"SSL_CERT_FILE": ""}, True), ({"SSL_CERT_FILE": machine.CA_BUNDLE}, False)],
)
def test_certificates_are_left_alone_on_an_ordinary_machine(environment: dict[str, str], bundle_exists: bool) -> None:
    assert machine.certificates(environment, bundle_exists) == ([], {})


def test_a_machine_with_its_own_authorities_shares_them() -> None:
    volumes, variables = machine.certificates({"PIP_CERT": machine.CA_BUNDLE}, bundle_exists=True)
    assert volumes == [f"{machine.CA_BUNDLE}:{machine.CA_BUNDLE}:ro"]
    assert variables["PIP_CERT"] == machine.CA_BUNDLE
