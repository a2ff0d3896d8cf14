# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The board's names, and whether the machine is real."""

from __future__ import annotations

import re

from .cpuinfo import CpuInfo
from .tree import Tree
from .types import Board, Virtualization

_DEVICE_TREES = ("proc/device-tree", "sys/firmware/devicetree/base")
_DMI_DIRECTORIES = ("sys/class/dmi/id", "sys/devices/virtual/dmi/id")
# Raspberry Pi's new-style revision codes: bit 23 is set, bits 12 to 15 number the processor.
_PI_CHIPS = ("BCM2835", "BCM2836", "BCM2837", "BCM2711", "BCM2712")
# What firmware says when its maker did not fill it in.
_PLACEHOLDERS = frozenset({"none", "default string", "to be filled by o.e.m.", "system product name", "not specified"})
# (part of vendor and product, lower case) -> name, as systemd-detect-virt names them.
_DMI_HYPERVISORS = (
    ("vmware", "vmware"),
    ("virtualbox", "oracle"),
    ("innotek", "oracle"),
    ("xen", "xen"),
    ("microsoft corporation virtual machine", "microsoft"),
    ("apple virtualization", "apple"),
    ("parallels", "parallels"),
    ("bhyve", "bhyve"),
    ("bochs", "bochs"),
    ("qemu", "kvm"),
    ("kvm", "kvm"),
    ("amazon ec2", "amazon"),
    ("google compute engine", "google"),
    ("openstack", "kvm"),
    ("digitalocean", "kvm"),
    ("hetzner vserver", "kvm"),
    ("firecracker", "kvm"),
)
_CLOCK_HYPERVISORS = (("kvm-clock", "kvm"), ("hyperv_clocksource", "microsoft"), ("xen", "xen"))
_CONTAINER_CGROUPS = (
    ("/kubepods", "kubernetes"),
    ("/docker", "docker"),
    ("libpod-", "podman"),
    ("/lxc", "lxc"),
    ("crio-", "kubernetes"),
    ("cri-containerd-", "kubernetes"),
)


def read_board(tree: Tree, cpuinfo: CpuInfo) -> Board:
    """Return model, vendor and system on a chip, from the device tree, else DMI, else cpuinfo."""
    compatible = device_tree_compatible(tree)
    model = _device_tree(tree, "model") or _dmi(tree, "product_name") or cpuinfo.machine.get("Model")
    vendor = _dmi(tree, "sys_vendor") or _dmi(tree, "board_vendor")
    if compatible and "," in compatible[0]:
        vendor = compatible[0].partition(",")[0]
    soc = compatible[-1] if len(compatible) > 1 else _soc_of_cpuinfo(cpuinfo)
    if model is None and compatible:
        model = compatible[0]
    return Board(model=model, vendor=vendor, soc=soc or None)


def _soc_of_cpuinfo(cpuinfo: CpuInfo) -> str | None:
    """Return the chip that cpuinfo names; every Raspberry Pi claims to be a BCM2835, but its revision tells."""
    hardware = cpuinfo.machine.get("Hardware")
    revision = cpuinfo.machine.get("Revision", "")
    if hardware in _PI_CHIPS and re.fullmatch(r"[0-9a-fA-F]{6,8}", revision) and int(revision, 16) >> 23 & 1:
        chip = int(revision, 16) >> 12 & 0xF
        return _PI_CHIPS[chip] if chip < len(_PI_CHIPS) else None
    return hardware


def _device_tree(tree: Tree, name: str) -> str | None:
    return next((line for base in _DEVICE_TREES if (line := tree.line(f"{base}/{name}"))), None)


def device_tree_compatible(tree: Tree) -> list[str]:
    """Return what the device tree says that board and chip are compatible with, board first."""
    text = _device_tree(tree, "compatible") or ""
    return [name for name in text.split("\0") if name]


def _dmi(tree: Tree, name: str) -> str | None:
    line = next((line for base in _DMI_DIRECTORIES if (line := tree.line(f"{base}/{name}"))), None)
    return None if line is None or line.lower() in _PLACEHOLDERS else line


def read_virtualization(tree: Tree, cpuinfo: CpuInfo) -> Virtualization:
    """Return the innermost container or virtual machine; role host with no type is bare metal."""
    kind = _container(tree) or _virtual_machine(tree, cpuinfo)
    if kind:
        return Virtualization(type=kind, role="guest")
    flags = cpuinfo.first.get("flags")
    bare = (flags is not None and "hypervisor" not in flags.split()) or _device_tree(tree, "model") is not None
    return Virtualization(role="host" if bare else None)


def _container(tree: Tree) -> str | None:
    named = tree.line("run/systemd/container")
    if named:
        return named
    if tree.exists("run/.containerenv"):
        return "podman"
    if tree.exists(".dockerenv"):
        return "docker"
    groups = tree.text("proc/1/cgroup") or ""
    return next((name for mark, name in _CONTAINER_CGROUPS if mark in groups), None)


def _virtual_machine(tree: Tree, cpuinfo: CpuInfo) -> str | None:
    if "microsoft" in (tree.line("proc/sys/kernel/osrelease") or "").lower():
        return "wsl"
    names = " ".join(filter(None, (_dmi(tree, name) for name in ("sys_vendor", "product_name", "bios_vendor")))).lower()
    from_dmi = next((name for mark, name in _DMI_HYPERVISORS if mark in names), None)
    if from_dmi:
        return from_dmi
    if "linux,dummy-virt" in device_tree_compatible(tree):
        return "kvm"
    hypervisor = (_device_tree(tree, "hypervisor/compatible") or "") + (tree.line("sys/hypervisor/type") or "")
    for mark in ("xen", "kvm"):
        if mark in hypervisor:
            return mark
    if "hypervisor" not in cpuinfo.first.get("flags", "").split():
        return None
    clocks = tree.line("sys/devices/system/clocksource/clocksource0/available_clocksource") or ""
    return next((name for mark, name in _CLOCK_HYPERVISORS if mark in clocks), "unknown")
