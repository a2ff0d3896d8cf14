# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of processor cores: names and classes of micro-architecture.

A part number means something only together with its implementer: 0xd01 is a Cortex-A32 of Arm
and a TaiShan core of HiSilicon. Numbers: Arm's MIDR_EL1 as listed by the kernel
(arch/arm64/include/asm/cputype.h) and by lscpu (sys-utils/lscpu-arm.c of util-linux).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class CoreClass:
    """Cores which do about the same branchy integer work per MHz.

    ``per_mhz`` is that work in units of an in-order core's. ``smt_gain`` is what a second
    thread adds to one core.
    """

    name: str
    per_mhz: float
    smt_gain: float = 0.44


# Server and interpreter code misses caches and branches, and while it does a wide core waits as
# long as a narrow one. So the classes lie closer together than for Dhrystone, on which the
# kernel's cpu_capacity weights are based (Cortex-A55 : Cortex-A76 is 1 : 1.9 there).
#
# A second thread fills what the first one leaves idle. Benchmarks of all threads of a machine get 1.27 to
# 1.44 times what its cores would do at one thread's speed. They lose 13 % on cores with one thread, too, which
# count as whole ones here, so the upper end is the right one for out-of-order cores. In-order ones gain more:
# they cannot hide any wait by themselves.
IN_ORDER = CoreClass("in-order", 1.0, smt_gain=0.5)
NARROW = CoreClass("out-of-order, 2 to 3 wide", 1.3)
WIDE = CoreClass("out-of-order, 4 wide and more", 1.5)
WIDEST = CoreClass("out-of-order, 6 wide and more", 1.7)

_ARM = {
    IN_ORDER: {
        0xB02: "ARM11 MPCore",
        0xB36: "ARM1136",
        0xB56: "ARM1156",
        0xB76: "ARM1176",
        0xC05: "Cortex-A5",
        0xC07: "Cortex-A7",
        0xC08: "Cortex-A8",
        0xD01: "Cortex-A32",
        0xD02: "Cortex-A34",
        0xD03: "Cortex-A53",
        0xD04: "Cortex-A35",
        0xD05: "Cortex-A55",
        0xD46: "Cortex-A510",
        0xD80: "Cortex-A520",
        0xD88: "Cortex-A520AE",
        0xD8A: "C1-Nano",
        0xD8F: "Cortex-A320",
    },
    NARROW: {
        0xC09: "Cortex-A9",
        0xC0D: "Cortex-A17",
        0xC0E: "Cortex-A17",
        0xC0F: "Cortex-A15",
        0xD06: "Cortex-A65",
        0xD07: "Cortex-A57",
        0xD08: "Cortex-A72",
        0xD09: "Cortex-A73",
        0xD43: "Cortex-A65AE",
        0xD4A: "Neoverse-E1",
    },
    WIDE: {
        0xD0A: "Cortex-A75",
        0xD0B: "Cortex-A76",
        0xD0C: "Neoverse-N1",
        0xD0D: "Cortex-A77",
        0xD0E: "Cortex-A76AE",
        0xD41: "Cortex-A78",
        0xD42: "Cortex-A78AE",
        0xD47: "Cortex-A710",
        0xD49: "Neoverse-N2",
        0xD4B: "Cortex-A78C",
        0xD4D: "Cortex-A715",
        0xD81: "Cortex-A720",
        0xD87: "Cortex-A725",
        0xD89: "Cortex-A720AE",
        0xD8B: "C1-Pro",
        0xD8E: "Neoverse-N3",
    },
    WIDEST: {
        0xD40: "Neoverse-V1",
        0xD44: "Cortex-X1",
        0xD48: "Cortex-X2",
        0xD4C: "Cortex-X1C",
        0xD4E: "Cortex-X3",
        0xD4F: "Neoverse-V2",
        0xD82: "Cortex-X4",
        0xD83: "Neoverse-V3AE",
        0xD84: "Neoverse-V3",
        0xD85: "Cortex-X925",
        0xD8C: "C1-Ultra",
        0xD90: "C1-Premium",
    },
}
_BROADCOM = {IN_ORDER: {0x100: "Brahma-B53"}, NARROW: {0x00F: "Brahma-B15"}, WIDE: {0x516: "ThunderX2"}}
_CAVIUM = {
    IN_ORDER: {0x0A0: "ThunderX", 0x0A1: "ThunderX-88XX", 0x0A2: "ThunderX-81XX", 0x0A3: "ThunderX-83XX"},
    WIDE: {0x0AF: "ThunderX2-99XX", 0x0B8: "ThunderX3"},
}
_HISILICON = {WIDE: {0xD01: "TaiShan-v110", 0xD02: "TaiShan-v120", 0xD40: "Cortex-A76", 0xD41: "Cortex-A77"}}
_NVIDIA = {WIDE: {0x000: "Denver", 0x003: "Denver 2", 0x004: "Carmel"}, WIDEST: {0x010: "Olympus"}}
_QUALCOMM = {
    IN_ORDER: {0x801: "Kryo-2xx-Silver", 0x803: "Kryo-3xx-Silver", 0x805: "Kryo-4xx-Silver"},
    NARROW: {
        0x04D: "Krait",
        0x06F: "Krait",
        0x201: "Kryo-Silver",
        0x205: "Kryo-Gold",
        0x211: "Kryo",
        0x800: "Kryo-2xx-Gold",
    },
    WIDE: {0x802: "Kryo-3xx-Gold", 0x804: "Kryo-4xx-Gold", 0xC00: "Falkor", 0xC01: "Saphira"},
    WIDEST: {0x001: "Oryon", 0x002: "Oryon"},
}
_SAMSUNG = {WIDE: {0x001: "Exynos-M1", 0x002: "Exynos-M3", 0x003: "Exynos-M4", 0x004: "Exynos-M5"}}
_APPLE = {
    WIDE: {
        0x020: "Icestorm",
        0x022: "Icestorm",
        0x024: "Icestorm",
        0x028: "Icestorm",
        0x030: "Blizzard",
        0x032: "Blizzard",
        0x034: "Blizzard",
        0x038: "Blizzard",
    },
    WIDEST: {
        0x021: "Firestorm",
        0x023: "Firestorm",
        0x025: "Firestorm",
        0x029: "Firestorm",
        0x031: "Avalanche",
        0x033: "Avalanche",
        0x035: "Avalanche",
        0x039: "Avalanche",
    },
}
_PHYTIUM = {
    IN_ORDER: {0x303: "FTC310"},
    NARROW: {0x660: "FTC660", 0x661: "FTC661", 0x662: "FTC662", 0x663: "FTC663", 0x664: "FTC664"},
    WIDE: {0x862: "FTC862"},
}
_AMPERE = {WIDE: {0xAC3: "Ampere-1", 0xAC4: "Ampere-1a", 0xAC5: "Ampere-1b"}}
_OTHER = {
    0x46: {WIDE: {0x001: "A64FX"}},
    0x50: {WIDE: {0x000: "X-Gene"}},
    0x6D: {WIDE: {0xD49: "Azure-Cobalt-100"}},
}
_IMPLEMENTERS = {
    0x41: _ARM,
    0x42: _BROADCOM,
    0x43: _CAVIUM,
    0x48: _HISILICON,
    0x4E: _NVIDIA,
    0x51: _QUALCOMM,
    0x53: _SAMSUNG,
    0x61: _APPLE,
    0x70: _PHYTIUM,
    0xC0: _AMPERE,
    **_OTHER,
}
_ARM_CORES = {
    (implementer, part): (name, core_class)
    for implementer, classes in _IMPLEMENTERS.items()
    for core_class, parts in classes.items()
    for part, name in parts.items()
}

# Intel's in-order Atoms, by (family, model): Bonnell and Saltwell.
_IN_ORDER_ATOMS = {(6, model) for model in (28, 38, 39, 53, 54)}


# Intel's processors with performance and efficient cores, by model of family 6 (arch/x86/include/asm/intel-family.h):
# Lakefield; Alder, Raptor, Meteor, Arrow, Lunar, Panther and Wildcat Lake. Some parts of a model have one kind only.
_INTEL_HYBRIDS = frozenset({138, 151, 154, 170, 172, 181, 183, 186, 189, 191, 197, 198, 204, 213})


def is_intel_hybrid(vendor: str | None, family: int | None, model: int | None) -> bool:
    """Tell whether processors of this model may have cores of two kinds."""
    return vendor == "GenuineIntel" and family == 6 and model in _INTEL_HYBRIDS


def arm_core(implementer: int | None, part: int | None) -> tuple[str, CoreClass] | None:
    """Return name and class of an Arm core, None when it is not known."""
    if implementer is None or part is None:
        return None
    return _ARM_CORES.get((implementer, part))


def x86_core_class(vendor: str | None, family: int | None, model: int | None) -> CoreClass:
    """Return the class of an x86 core that is no part of a hybrid."""
    if vendor == "GenuineIntel" and (family, model) in _IN_ORDER_ATOMS:
        return IN_ORDER
    return WIDE


# Little and big cores of common chips, for captures that lack /proc/cpuinfo: (little, big) part of Arm.
_CHIPS = {
    "rk3399": (0xD03, 0xD08),
    "rk3576": (0xD03, 0xD08),
    "rk3582": (0xD05, 0xD0B),
    "rk3588": (0xD05, 0xD0B),
    "rk3588s": (0xD05, 0xD0B),
    "g12b": (0xD03, 0xD09),
    "s922x": (0xD03, 0xD09),
    "a311d": (0xD03, 0xD09),
    "a311d2": (0xD03, 0xD09),
    "exynos5420": (0xC07, 0xC0F),
    "exynos5422": (0xC07, 0xC0F),
    "exynos5800": (0xC07, 0xC0F),
    "mt8173": (0xD03, 0xD08),
    "mt8183": (0xD03, 0xD09),
    "mt8192": (0xD05, 0xD0B),
    "mt8195": (0xD05, 0xD41),
    "sc7180": (0xD05, 0xD0B),
    "sm8250": (0xD05, 0xD0D),
    "sky1": (0xD80, 0xD81),
}


def chip_parts(compatible: Iterable[str]) -> tuple[int, int] | None:
    """Return little and big part of the chip that a device tree's "compatible" names."""
    names = (name.rpartition(",")[2] for name in compatible)
    return next((_CHIPS[name] for name in names if name in _CHIPS), None)
