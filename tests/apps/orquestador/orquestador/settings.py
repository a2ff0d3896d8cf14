# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the environment says. What is missing is told by ``/health``, not by an app that does not start."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


def _text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def _number(name: str, default: str) -> float:
    return float(_text(name) or default)


def _agents() -> dict[str, str]:
    """Return the address of each agent that is named and not switched off."""
    named = {name: _text(f"MCP_{name.upper()}_URL") for name in ("reserva", "cita", "venta")}
    return {name: url for name, url in named.items() if url and _text(f"MCP_{name.upper()}_ENABLED", "true") == "true"}


@dataclass(frozen=True)
class Settings:
    """Times are in seconds."""

    api_key: str = field(default_factory=lambda: _text("OPENAI_API_KEY"), repr=False)
    model: str = field(default_factory=lambda: _text("OPENAI_MODEL", "gpt-4o-mini"))
    model_url: str = field(default_factory=lambda: _text("LLM_URL"))
    model_timeout: float = field(default_factory=lambda: _number("OPENAI_TIMEOUT", "60"))
    redis_url: str = field(default_factory=lambda: _text("REDIS_URL"), repr=False)
    session_ttl: int = field(default_factory=lambda: int(_number("SESSION_TTL", "3600")))
    agents: dict[str, str] = field(default_factory=_agents)
    agent_timeout: float = field(default_factory=lambda: _number("MCP_TIMEOUT", "30"))
    agent_retries: int = field(default_factory=lambda: int(_number("MCP_MAX_RETRIES", "3")))
    breaker_failures: int = field(default_factory=lambda: int(_number("MCP_CIRCUIT_BREAKER_FAILURE_THRESHOLD", "5")))
    breaker_reset: int = field(default_factory=lambda: int(_number("MCP_CIRCUIT_BREAKER_RESET_TIMEOUT", "60")))
    origins: tuple[str, ...] = field(default_factory=lambda: tuple(_text("CORS_ORIGINS").split()))

    def missing(self) -> list[str]:
        """Return the names of the variables that it cannot do without."""
        needed = {"OPENAI_API_KEY": self.api_key, "LLM_URL": self.model_url, "REDIS_URL": self.redis_url}
        return [name for name, value in needed.items() if not value]
