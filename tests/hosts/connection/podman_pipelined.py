# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""containers.podman.podman with pipelining: a task takes one `podman exec` instead of five (0.35 s, not 0.8 s).

It also copies files with `podman cp` alone. The original writes below the container's root file system, where a
file for a tmpfs such as /tmp lands underneath the mount and is not seen.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.containers.podman.plugins.connection.podman import DOCUMENTATION as PODMAN_DOCUMENTATION
from ansible_collections.containers.podman.plugins.connection.podman import Connection as PodmanConnection

DOCUMENTATION = PODMAN_DOCUMENTATION.replace("name: podman", "name: podman_pipelined")


class Connection(PodmanConnection):  # type: ignore[misc]  # the collection has no types
    """Runs a module by feeding it to the interpreter's standard input."""

    transport = "podman_pipelined"
    has_pipelining = True

    def _connect(self) -> Any:
        self._mount_point = None
        self._connected = True
        return self

    def _podman(
        self,
        cmd: str | list[str],
        cmd_args: list[str] | None = None,
        in_data: bytes | None = None,
        use_container_id: bool = True,
    ) -> tuple[int, bytes, bytes]:
        if in_data is not None:
            cmd = [*([cmd] if isinstance(cmd, str) else cmd), "--interactive"]
        result: tuple[int, bytes, bytes] = super()._podman(cmd, cmd_args, in_data, use_container_id)
        return result
