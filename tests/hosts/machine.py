# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out how this machine has to be asked for a container that boots systemd.

``machine.py IMAGE`` prints one JSON object for create.yml:

- ``runtime``: the OCI runtime that can start IMAGE here ("crun", "runc"), or null for podman's own choice.
- ``ulimits``: limits to pass to podman, empty where podman's own can be set.
- ``volumes``: bind mounts that every test host needs here.
- ``environment``: variables that every process in a test host needs here.

On a machine that cannot run test hosts it exits 1 and says on stderr what is missing and how to get it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CA_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
CAP_SYS_RESOURCE = 24
PODMAN_NOFILE = 1_048_576
# Podman lowers its own hard limit of processes before it starts the runtime; this one passes below it.
NPROC = 16_384
RUNTIMES = (None, "crun", "runc")


class UnsuitableError(Exception):
    """This machine cannot run test hosts; the message names the remedy."""


def effective_capabilities(status: str) -> int:
    """Return the bit mask of the CapEff line in the text of /proc/PID/status (0 when there is none)."""
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def ulimits(capabilities: int, hard_nofile: int, hard_nproc: int) -> list[str]:
    """Return podman ``--ulimit`` values, needed only where podman may not raise its hard limits to its defaults.

    ``hard_nofile`` and ``hard_nproc`` are this process's hard limits; -1 means unlimited.
    """
    may_raise = bool(capabilities >> CAP_SYS_RESOURCE & 1)
    if may_raise or hard_nofile == resource.RLIM_INFINITY or hard_nofile >= PODMAN_NOFILE:
        return []
    nproc = NPROC if hard_nproc == resource.RLIM_INFINITY else min(hard_nproc, NPROC)
    return [f"nofile={hard_nofile}:{hard_nofile}", f"nproc={nproc}:{nproc}"]


def working_runtime(starts: Callable[[str | None], str]) -> str | None:
    """Return the first runtime that starts a container. ``starts`` gives the error text, empty when it worked."""
    errors = []
    for runtime in RUNTIMES:
        error = starts(runtime)
        if not error:
            return runtime
        errors.append(f"  {runtime or 'default runtime'}: {error}")
    raise UnsuitableError(
        "no OCI runtime can start a container here:\n" + "\n".join(errors) + "\nTry: apt-get install runc"
    )


def certificates(environment: Mapping[str, str], bundle_exists: bool) -> tuple[list[str], dict[str, str]]:
    """Return mounts and variables which make test hosts trust this machine's certificate authorities.

    Needed behind a proxy that re-signs TLS: there, this machine has one of ``CA_VARIABLES`` set. Only the bundle
    is mounted: Debian's packages have to write to the directory around it.
    """
    if not bundle_exists or not any(environment.get(name) for name in CA_VARIABLES):
        return [], {}
    return [f"{CA_BUNDLE}:{CA_BUNDLE}:ro"], {"SSL_CERT_FILE": CA_BUNDLE, "PIP_CERT": CA_BUNDLE}


def try_runtime(image: str, limits: list[str]) -> Callable[[str | None], str]:
    """Return a function which starts ``/bin/true`` from the image under a runtime and gives the error text."""

    def starts(runtime: str | None) -> str:
        command = ["podman"] + ([f"--runtime={runtime}"] if runtime else [])
        command += ["run", "--rm", "--pull=never", "--network=none", "--cgroupns=private", "--systemd=always"]
        command += [f"--ulimit={limit}" for limit in limits] + [image, "/bin/true"]
        result = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return (result.stderr.strip().splitlines() or ["failed"])[-1] if result.returncode else ""

    return starts


def describe(image: str) -> dict[str, object]:
    """Look at this machine and return what the module's docstring lists."""
    if os.geteuid() != 0:
        raise UnsuitableError("test hosts need root: they have a bridge network and real cgroup limits. Use sudo.")
    limits = ulimits(
        effective_capabilities(Path("/proc/self/status").read_text(encoding="ascii", errors="replace")),
        resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        resource.getrlimit(resource.RLIMIT_NPROC)[1],
    )
    volumes, environment = certificates(os.environ, Path(CA_BUNDLE).exists())
    runtime = working_runtime(try_runtime(image, limits))
    return {"runtime": runtime, "ulimits": limits, "volumes": volumes, "environment": environment}


def main() -> int:
    """Print the description, or say why there is none."""
    try:
        print(json.dumps(describe(sys.argv[1])))
    except UnsuitableError as error:
        print(f"machine.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
