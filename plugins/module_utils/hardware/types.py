# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one machine offers, as plain data.

Everything is read by the functions of this package and consumed by the sizing package.
``None`` always means "unknown": nothing in here is ever a guess.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Board:
    """Names of the board or virtual machine."""

    model: str | None = None
    vendor: str | None = None
    soc: str | None = None


@dataclass(frozen=True)
class Cluster:
    """CPUs of one kind.

    ``cpus`` are the online CPU numbers; ``capacity`` is one such CPU's work in units of
    the machine's fastest CPU (0 < capacity <= 1); ``kind`` is ``big``, ``little``,
    ``mid`` or ``uniform``; ``name`` is the core's name (``Cortex-A76``) where known.
    """

    name: str | None
    kind: str
    cpus: tuple[int, ...]
    capacity: float
    max_mhz: int | None = None


@dataclass(frozen=True)
class Cpu:
    """The processors that a service on this machine can use.

    ``online``, ``usable`` and ``physical_cores`` are counts. ``quota`` is the tightest
    CPU quota of all control groups above, in CPUs. ``capacity`` is the work that all
    usable CPUs can do at once in units of the fastest one, never above ``quota``.
    """

    architecture: str | None
    online: int
    usable: int
    physical_cores: int | None
    threads_per_core: int | None
    quota: float | None
    capacity: float
    capacity_source: str
    clusters: tuple[Cluster, ...] = ()


@dataclass(frozen=True)
class Memory:
    """Memory in MiB; ``page_size`` in bytes; ``thp`` is the active transparent huge page mode.

    ``total_mb`` and ``usable_mb`` are None for a captured tree without ``proc/meminfo``.
    ``swap_mb`` includes ``zram_mb``. ``huge_pages_mb`` is set aside for huge pages and lost to
    everything else; ``huge_page_kb`` is the size of one.
    """

    total_mb: int | None
    limit_mb: int | None
    usable_mb: int | None
    swap_mb: int = 0
    zram_mb: int = 0
    page_size: int | None = None
    thp: str | None = None
    huge_page_kb: int | None = None
    huge_pages_mb: int = 0


@dataclass(frozen=True)
class Storage:
    """One mounted file system; ``kind`` is nvme, ssd, hdd, emmc, sd, virtual, network or None."""

    mount: str
    device: str | None
    kind: str | None
    size_mb: int | None = None
    free_mb: int | None = None


@dataclass(frozen=True)
class Limits:
    """Limits of processes; ``open_files`` is the hard limit of file descriptors."""

    open_files: int | None = None


@dataclass(frozen=True)
class Virtualization:
    """``type`` is for example kvm, podman or None on bare metal; ``role`` is host or guest."""

    type: str | None = None
    role: str | None = None


@dataclass(frozen=True)
class Hardware:
    """One machine."""

    board: Board
    cpu: Cpu
    memory: Memory
    storage: tuple[Storage, ...] = ()
    limits: Limits = field(default_factory=Limits)
    virtualization: Virtualization = field(default_factory=Virtualization)
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the ``hardware`` fact: plain dicts, lists, numbers and strings."""
        facts: dict[str, Any] = _plain(asdict(self))
        return facts

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Hardware:
        """Read a ``hardware`` fact back. Raises ``KeyError`` or ``TypeError`` when it is not one."""
        cpu = dict(facts["cpu"])
        clusters = tuple(Cluster(**{**cluster, "cpus": tuple(cluster["cpus"])}) for cluster in cpu.pop("clusters", ()))
        return cls(
            board=Board(**facts.get("board", {})),
            cpu=Cpu(clusters=clusters, **cpu),
            memory=Memory(**facts["memory"]),
            storage=tuple(Storage(**entry) for entry in facts.get("storage", ())),
            limits=Limits(**facts.get("limits", {})),
            virtualization=Virtualization(**facts.get("virtualization", {})),
            warnings=tuple(facts.get("warnings", ())),
        )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
