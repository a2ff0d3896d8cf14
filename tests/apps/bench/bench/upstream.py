# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ASGI endpoint that waits for another service.

Not with httpx: the more requests its pool has under way, the more it takes for each (3 ms of processor at 16, 10 ms
at 64), so what is measured would be the pool.
"""

import os
from contextlib import asynccontextmanager

import aiohttp
from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        app.state.session = session
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health():
    return {}


@app.get("/")
async def ask():
    async with app.state.session.get(os.environ["BENCH_UPSTREAM"]) as answer:
        await answer.read()
        return {"status": answer.status}
