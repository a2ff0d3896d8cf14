# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the firewall. That the kernel takes them and keeps to them is for the scenario agente."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.firewall.rules import (
    REMOVE,
    FirewallError,
    mark_of,
    read_openings,
    ruleset,
)

NAMES = {"db": ["192.0.2.7", "2001:db8::7"], "gone": []}


def rules(*items: dict[str, Any], ssh: tuple[int, ...] = (22,), interfaces: tuple[str, ...] = ()) -> str:
    return ruleset(read_openings(items, "open", lambda name: NAMES[name]), ssh, interfaces)


def test_the_whole_of_it() -> None:
    text = rules({"port": 443, "purpose": "sites"}, ssh=(2222, 22))
    assert text.startswith(REMOVE + 'table inet webstack {\n    comment "rightsize.webstack ')
    assert text.split("chain input {\n")[1] == (
        "        type filter hook input priority filter; policy drop;\n"
        "        ct state { established, related } accept\n"
        "        ct state invalid drop\n"
        '        iifname "lo" accept\n'
        "        meta l4proto { 1, 58 } accept # ICMP and ICMPv6\n"
        "        udp sport 67 udp dport 68 accept # an address from DHCP\n"
        "        ip6 saddr fe80::/10 udp dport 546 accept # and from DHCPv6\n"
        "        tcp dport { 22, 2222 } accept # SSH\n"
        "        tcp dport 443 accept # sites\n"
        "        counter # refused from here on\n"
        "    }\n"
        "}\n"
    )


def test_no_other_table_is_touched() -> None:
    assert "flush" not in rules()
    assert [line for line in rules().splitlines() if "table" in line] == [
        "table inet webstack",
        "delete table inet webstack",
        "table inet webstack {",
    ]


def test_sources_are_told_apart_by_family() -> None:
    text = rules({"port": "5432", "from": ["db", "10.0.0.9/8", "192.0.2.7"], "purpose": "postgres"})
    assert "        ip saddr { 10.0.0.0/8, 192.0.2.7/32 } tcp dport 5432 accept # postgres\n" in text
    assert "        ip6 saddr { 2001:db8::7/128 } tcp dport 5432 accept # postgres\n" in text


def test_ranges_protocols_and_interfaces() -> None:
    text = rules({"port": "6000-6010", "protocol": "udp"}, interfaces=("wg0", "podman*"))
    assert "        udp dport 6000-6010 accept\n" in text
    assert '        iifname "podman*" accept\n' in text


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"port": "ssh"}, r"open\[0\]\.port: 'ssh' is neither a port nor a range"),
        ({"port": 0}, "neither a port"),
        ({"port": 65536}, "neither a port"),
        ({"port": "90-80"}, "neither a port"),
        ({"port": "80; accept"}, "neither a port"),
        ({"port": 80, "protocol": "icmp"}, r"open\[0\]\.protocol: 'icmp' is not one of tcp, udp"),
        ({"port": 80, "from": ["gone"]}, r"open\[0\]\.from: 'gone' is no address .* set webstack_address"),
    ],
)
def test_what_cannot_be_meant(item: dict[str, Any], words: str) -> None:
    with pytest.raises(FirewallError, match=words):
        rules(item)


def test_words_of_the_user_cannot_become_rules() -> None:
    text = rules({"port": 80, "purpose": "sites\n        tcp dport 1-65535 accept"})
    assert "        tcp dport 80 accept # sites tcp dport 1-65535 accept\n" in text
    with pytest.raises(FirewallError, match="no name of a network interface"):
        rules(interfaces=('lo" accept #',))


def test_the_mark_follows_the_rules_and_is_found_again() -> None:
    one, two = rules({"port": 80}), rules({"port": 81})
    assert mark_of(one) != mark_of(two)
    listed = f'table inet webstack {{\n\tcomment "{mark_of(one)}"\n\tchain input {{\n\t}}\n}}\n'
    assert mark_of(listed) == mark_of(one)
    assert mark_of("table inet webstack {\n}\n") is None
