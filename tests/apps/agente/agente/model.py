# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The language model, behind an OpenAI-like API; its words are passed on as they come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx


class ModelFailed(Exception):  # noqa: N818 - the API's own word
    """The model did not answer, or stopped in the middle."""


class Model:
    """``timeout`` is the longest silence (seconds) that is waited through."""

    def __init__(self, url: str, key: str, name: str, timeout: float) -> None:
        self._name = name
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout, connect=5),
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=50),
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def words(self, system: str, message: str) -> AsyncIterator[str]:
        """Yield the answer piece by piece. Raises ``ModelFailed``."""
        messages = [{"role": "system", "content": system}, {"role": "user", "content": message}]
        body = {"model": self._name, "stream": True, "messages": messages}
        try:
            async with self._client.stream("POST", "/chat/completions", json=body) as response:
                response.raise_for_status()
                async for line in response.aiter_lines():
                    data = line.removeprefix("data: ")
                    if data == "[DONE]":
                        return
                    if data:
                        yield json.loads(data)["choices"][0]["delta"].get("content", "")
        except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
            raise ModelFailed(type(error).__name__) from error
        raise ModelFailed("the answer broke off")
