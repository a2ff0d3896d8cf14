# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into a host's packet filter: one nftables table of our own, made of a list of openings."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TABLE = "inet webstack"
#: Loading a ruleset that begins so replaces our table, in one transaction, and no other.
REMOVE = f"table {TABLE}\ndelete table {TABLE}\n"
PROTOCOLS = ("tcp", "udp")
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_INTERFACE = re.compile(r"[A-Za-z0-9_.@-]{1,15}\*?")
_FAMILIES = {4: "ip", 6: "ip6"}


class FirewallError(Exception):
    """Something about the firewall cannot be done; the message says what, what is as before and the way out."""


@dataclass(frozen=True)
class Opening:
    """Who may reach a port: ``ports`` is "443" or "6000-6010", ``sources`` addresses and networks, nothing for all."""

    ports: str
    protocol: str = "tcp"
    sources: tuple[str, ...] = ()
    purpose: str = ""


def read_openings(items: Sequence[Mapping[str, Any]], where: str, resolve: Callable[[str], list[str]]) -> list[Opening]:
    """Return the openings that a user or a playbook described; names in ``from`` are looked up with ``resolve``.

    Raises ``FirewallError`` naming the variable, the value and the way out.
    """
    return [_read(item, f"{where}[{index}]", resolve) for index, item in enumerate(items)]


def _read(item: Mapping[str, Any], where: str, resolve: Callable[[str], list[str]]) -> Opening:
    ports, protocol = str(item["port"]).strip(), str(item.get("protocol") or "tcp")
    match = _PORTS.fullmatch(ports)
    if match is None or not 0 < int(match[1]) <= int(match[2] or match[1]) < 65536:
        raise FirewallError(f"{where}.port: {ports!r} is neither a port nor a range; write it as in 8080 or 6000-6010")
    if protocol not in PROTOCOLS:
        raise FirewallError(f"{where}.protocol: {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    sources = [address for source in item.get("from") or () for address in _addresses(str(source), where, resolve)]
    # Not a comment's end, nor a line of its own.
    purpose = " ".join(str(item.get("purpose") or "").split())
    return Opening(ports, protocol, tuple(sorted(set(sources))), purpose)


def _addresses(source: str, where: str, resolve: Callable[[str], list[str]]) -> list[str]:
    try:
        return [str(ipaddress.ip_network(source, strict=False))]
    except ValueError:
        found = resolve(source)
    if not found:
        raise FirewallError(
            f"{where}.from: {source!r} is no address and no network, and this host knows no address of that name; give "
            "the address (for a host of the inventory: set webstack_address)"
        )
    return [str(ipaddress.ip_network(address)) for address in found]


def ruleset(openings: Iterable[Opening], ssh_ports: Iterable[int], interfaces: Iterable[str] = ()) -> str:
    """Return the whole ruleset: what comes in is refused but for ``openings``, SSH, answers and what IP itself needs.

    ``interfaces`` (besides lo) are those on which all is let in. Whatever other tables hold is left as it is.
    Raises ``FirewallError`` for a bad name.
    """
    body = _body(openings, sorted(set(ssh_ports)), ["lo", *interfaces])
    return f'{REMOVE}table {TABLE} {{\n    comment "{_mark(body)}"\n{body}}}\n'


def mark_of(text: str) -> str | None:
    """Return the mark of a ruleset, in a file or as nft lists it; None when it has none."""
    match = re.search(r'^\s*comment "(rightsize\.webstack [0-9a-f]{16})"', text, re.M)
    return match[1] if match else None


def _mark(body: str) -> str:
    return f"rightsize.webstack {hashlib.sha256(body.encode()).hexdigest()[:16]}"


def _body(openings: Iterable[Opening], ssh_ports: Sequence[int], interfaces: Sequence[str]) -> str:
    for interface in interfaces:
        if not _INTERFACE.fullmatch(interface):
            raise FirewallError(f"trusted_interfaces: {interface!r} is no name of a network interface")
    rules = [
        "type filter hook input priority filter; policy drop;",
        "ct state { established, related } accept",
        "ct state invalid drop",
        *(f'iifname "{interface}" accept' for interface in interfaces),
        "meta l4proto { 1, 58 } accept # ICMP and ICMPv6",  # their names would need /etc/protocols
        "udp sport 67 udp dport 68 accept # an address from DHCP",
        "ip6 saddr fe80::/10 udp dport 546 accept # and from DHCPv6",
        f"tcp dport {_set(map(str, ssh_ports))} accept # SSH",
        *(rule for opening in openings for rule in _rules(opening)),
        "counter # refused from here on",
    ]
    lines = "".join(f"        {rule}\n" for rule in dict.fromkeys(rules))
    return f"    chain input {{\n{lines}    }}\n"


def _rules(opening: Opening) -> list[str]:
    wanted = f"{opening.protocol} dport {opening.ports} accept" + (f" # {opening.purpose}" if opening.purpose else "")
    if not opening.sources:
        return [wanted]
    found = []
    for version, family in _FAMILIES.items():
        sources = [source for source in opening.sources if ipaddress.ip_network(source).version == version]
        if sources:
            found.append(f"{family} saddr {_set(sources)} {wanted}")
    return found


def _set(elements: Iterable[str]) -> str:
    return f"{{ {', '.join(elements)} }}"
