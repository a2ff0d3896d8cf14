# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release is made of, and the fingerprint that tells two of them apart."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .errors import ReleaseError

ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Migration:
    """One command that changes the database for a release, and the one that takes it back (or ``None``)."""

    run: str
    undo: str | None = None


@dataclass(frozen=True)
class Health:
    """What a healthy release answers on its own socket: GET ``path`` gives ``status`` within ``timeout`` seconds."""

    path: str = "/health"
    status: int = 200
    timeout: float = 5.0
    host: str = "localhost"


@dataclass(frozen=True)
class Settings:
    """How a release is run and handed over; kept in its release.json.

    ``drain_seconds``: how long the old release goes on after the switch before it is told
    to stop. ``start_timeout``: seconds until it must be healthy. ``warmup``: paths asked
    for before users come. ``checks``: what must hold through the proxy (see endpoint_probe).
    ``unit``: fingerprint of the unit file that it runs under.
    """

    health: Health = field(default_factory=Health)
    warmup: tuple[str, ...] = ()
    warmup_requests: int = 1
    checks: tuple[dict[str, Any], ...] = ()
    check_url: str | None = None
    check_connect_to: str | None = None
    migrate: tuple[Migration, ...] = ()
    keep_warm: bool = True
    drain_seconds: int = 3
    start_timeout: int = 60
    unit: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Read settings from plain data; unknown keys are passed over. Raises ``TypeError`` when they don't fit."""
        fields = cls.__dataclass_fields__
        known = {name: value for name, value in values.items() if name in fields and value is not None}
        known["health"] = Health(**known.get("health", {}))
        known["migrate"] = tuple(
            Migration(**entry) if isinstance(entry, Mapping) else Migration(str(entry))
            for entry in known.get("migrate", ())
        )
        for name in ("warmup", "checks"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)


@dataclass(frozen=True)
class Spec:
    """Everything that a release is built from.

    ``source_digest`` names the content of the source; ``archive`` is the packed source on
    this host; ``requirement`` is a package to install (an exact index requirement, or the
    name of a wheel inside the archive). ``server_requirements`` are gunicorn and its worker
    class. ``config`` is the text of gunicorn.conf.py.
    """

    source_digest: str
    source_label: str
    settings: Settings
    config: str
    archive: str | None = None
    requirement: str | None = None
    dependencies: str | None = None
    installer: str = "uv"
    python: str = "/usr/bin/python3"
    server_requirements: tuple[str, ...] = ()
    build_environment: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def manifest(self, key: bytes) -> str:
        """Return all that distinguishes this release, as text for a diff.

        Of a secret it has only a fingerprint, keyed so that nobody can try values against it.
        """
        content = asdict(self)
        for name in ("archive", "source_label", "build_environment"):
            del content[name]
        content["config"] = self.config.splitlines()
        content["secrets"] = {
            name: hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:12] for name, value in self.secrets.items()
        }
        return json.dumps(content, indent=2, sort_keys=True) + "\n"


def fingerprint(manifest: str) -> str:
    """Return the hex digest that names a release with this manifest."""
    return hashlib.sha256(manifest.encode()).hexdigest()


def environment_file(variables: Mapping[str, str]) -> str:
    """Write variables the way systemd's ``EnvironmentFile=`` reads them back unchanged.

    Raises ``ReleaseError`` for a name that no environment can have or a value with a NUL.
    """
    lines = []
    for name, value in sorted(variables.items()):
        if not ENVIRONMENT_NAME.fullmatch(name):
            raise ReleaseError(f"environment: {name!r} is not a variable's name; use letters, digits and '_'")
        if "\0" in value:
            raise ReleaseError(f"environment: the value of {name} has a NUL character; no environment can hold one")
        escaped = re.sub(r'([\\"$`])', r"\\\1", value)
        lines.append(f'{name}="{escaped}"\n')
    return "".join(lines)
