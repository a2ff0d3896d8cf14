# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the kernel's packet filter to a ruleset, in a way that takes itself back unless somebody can still log in.

``propose`` loads the rules and sets a timer that restores what was there. ``confirm``, called over a connection made
since, stops the timer and keeps the rules for the next boot. Who has locked himself out cannot confirm.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..files import write_atomically
from .rules import REMOVE, TABLE, FirewallError, mark_of

NFT = "/usr/sbin/nft"
UNDO = "webstack-firewall-undo"
SERVICE = "webstack-firewall.service"


@dataclass(frozen=True)
class Paths:
    """Where things are, below ``root``."""

    root: Path = Path("/")

    @property
    def rules(self) -> Path:
        return self.root / "etc/webstack/firewall.nft"

    @property
    def unit(self) -> Path:
        return self.root / "etc/systemd/system" / SERVICE

    @property
    def boot_link(self) -> Path:
        return self.root / "etc/systemd/system/sysinit.target.wants" / SERVICE

    @property
    def proposed(self) -> Path:
        return self.root / "run/webstack-firewall/proposed.nft"

    @property
    def previous(self) -> Path:
        return self.root / "run/webstack-firewall/previous.nft"


def unit_text(paths: Paths) -> str:
    """Return the unit that loads the rules at boot, before there is a network and after those that empty the filter."""
    return (
        "# Managed by Ansible.\n"
        "[Unit]\n"
        "Description=Packet filter of rightsize.webstack\n"
        "DefaultDependencies=no\n"
        "Wants=network-pre.target\n"
        "Before=network-pre.target shutdown.target\n"
        "After=nftables.service ufw.service\n"
        "Conflicts=shutdown.target\n"
        f"ConditionPathExists={paths.rules}\n\n"
        "[Service]\n"
        "Type=oneshot\n"
        "RemainAfterExit=yes\n"
        f"ExecStart={NFT} -f {paths.rules}\n\n"
        "[Install]\n"
        "WantedBy=sysinit.target\n"
    )


@dataclass
class Done:
    """What was changed, or would be; ``pending`` when it has to be confirmed."""

    pending: bool = False
    diff: list[dict[str, str]] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.diff)

    def note(self, name: str, before: str, after: str) -> None:
        if before != after:
            self.diff.append({"before_header": name, "after_header": name, "before": before, "after": after})


def propose(text: str, seconds: int, dry: bool, paths: Paths = Paths()) -> Done:
    """Load a ruleset for ``seconds``, unless it is what the host has and keeps already.

    Raises ``FirewallError`` before anything is changed when the kernel would not take it.
    """
    loaded, kept = loaded_rules(), _read(paths.rules)
    done = Done()
    done.note(str(paths.rules), kept, text)
    done.note(str(paths.unit), _read(paths.unit), unit_text(paths))
    done.note(str(paths.boot_link), _link(paths.boot_link), str(paths.unit))
    done.note(f"table {TABLE}", _state(loaded, text), _state(text, text))
    if not done.changed or (dry and not _has_nft()):
        return done
    _nft(["--check", "--file", "-"], text, "the kernel would not take the rules, so nothing was changed")
    if dry:
        return done
    # What was loaded is in the file when the marks agree. If not, somebody else's words for it have to do.
    before = kept if mark_of(kept) and mark_of(kept) == mark_of(loaded) else REMOVE + loaded
    _write(paths.previous, before)
    _write(paths.proposed, text)
    _stop_timer()
    _run(
        ["systemd-run", "--quiet", "--collect", f"--unit={UNDO}", f"--on-active={seconds}"]
        + ["--timer-property=AccuracySec=1s", NFT, "--file", str(paths.previous)]
    )
    _nft(["--file", str(paths.proposed)], "", "the rules could not be loaded")
    done.pending = True
    return done


def confirm(paths: Paths = Paths()) -> None:
    """Keep what was proposed. Raises ``FirewallError`` when it has been taken back meanwhile."""
    _stop_timer()
    text = _read(paths.proposed)
    if not text or mark_of(loaded_rules()) != mark_of(text):
        raise FirewallError(
            "the new rules were not confirmed in time and have been taken back: what was there before holds again. If "
            "a new login just takes long here, raise firewall_confirm_seconds"
        )
    _write(paths.rules, text)
    _write(paths.unit, unit_text(paths))
    if _link(paths.boot_link) != str(paths.unit):
        paths.boot_link.parent.mkdir(parents=True, exist_ok=True)
        paths.boot_link.unlink(missing_ok=True)
        paths.boot_link.symlink_to(paths.unit)
    paths.proposed.unlink()
    _run(["systemctl", "daemon-reload"])


def remove(dry: bool, paths: Paths = Paths()) -> Done:
    """Take our table and files away, and nothing else."""
    done = Done()
    loaded = loaded_rules()
    done.note(f"table {TABLE}", _state(loaded, loaded), "")
    for path in (paths.rules, paths.unit):
        done.note(str(path), _read(path), "")
    done.note(str(paths.boot_link), _link(paths.boot_link), "")
    if done.changed and not dry:
        _stop_timer()
        if loaded:
            _nft(["--file", "-"], REMOVE, "the rules could not be removed")
        for path in (paths.boot_link, paths.unit, paths.rules):
            path.unlink(missing_ok=True)
        _run(["systemctl", "daemon-reload"])
    return done


def loaded_rules() -> str:
    """Return our table as the kernel has it, empty when it has none."""
    if not _has_nft():
        return ""
    return subprocess.run([NFT, "list", "table", *TABLE.split()], capture_output=True, text=True, check=False).stdout


def _state(loaded: str, wanted: str) -> str:
    if not loaded:
        return ""
    return "loaded\n" if mark_of(loaded) == mark_of(wanted) else "loaded, with other rules\n"


def _has_nft() -> bool:
    return os.access(NFT, os.X_OK)


def _nft(arguments: Sequence[str], text: str, trouble: str) -> None:
    try:
        done = subprocess.run([NFT, *arguments], input=text, capture_output=True, text=True, check=False)
    except OSError as error:
        raise FirewallError(f"{NFT}: {error.strerror}; install the package nftables") from error
    if done.returncode:
        raise FirewallError(
            f"{trouble}: {' '.join(done.stderr.split())} (a kernel needs nf_tables and nf_conntrack for it)"
        )


def _stop_timer() -> None:
    subprocess.run(["systemctl", "stop", f"{UNDO}.timer", f"{UNDO}.service"], capture_output=True, check=False)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FirewallError(f"{' '.join(command)}: {' '.join(done.stderr.split())}")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _link(path: Path) -> str:
    return str(path.readlink()) if path.is_symlink() else ""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text, 0o644)
