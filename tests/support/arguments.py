# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look for a secret where everybody can see it: in the arguments of processes.

with Watch("canary123") as watch:
    run_playbook("deploy", inventory)
watch.assert_nobody_saw_it()
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

PAUSE_SECONDS = 0.02


class Watch:
    """Looks for a secret in the arguments of every process of this machine, test hosts included."""

    def __init__(self, secret: str) -> None:
        self.secret = secret.encode()
        self.seen: set[str] = set()
        self.looks = 0
        self._ended = threading.Event()

    def __enter__(self) -> Watch:
        self._ended.clear()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self._ended.set()
        self._thread.join()

    def assert_nobody_saw_it(self, looks: int = 20) -> None:
        """Demand that it looked often enough to have seen something, and saw nothing."""
        assert self.looks >= looks
        assert self.seen == set()

    def _look_on(self) -> None:
        while not self._ended.wait(PAUSE_SECONDS):
            self.looks += 1
            for line in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    arguments = line.read_bytes()
                    if self.secret in arguments:
                        self.seen.add(arguments.replace(b"\0", b" ").decode("utf-8", "replace"))
