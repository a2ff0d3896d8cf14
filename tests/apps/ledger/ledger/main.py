# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints. They wait for the stores in threads of their own, so that a worker serves several at once."""

from __future__ import annotations

import logging
import os
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from .stores import enter, problems, stores
from .version import VERSION

log = logging.getLogger("ledger")
IDENTITY = {"X-Version": VERSION, "X-Release": os.environ.get("WEBSTACK_RELEASE", "")}
app = FastAPI(title="ledger", version=VERSION)


class Note(BaseModel):
    text: str = Field(min_length=1, max_length=200)
    fresh: bool = False


@app.post("/notes")
def add(note: Note, response: Response) -> dict[str, Any]:
    response.headers.update(IDENTITY)
    with stores(note.fresh) as to:
        return enter(to, note.text)


@app.get("/health")
def health() -> JSONResponse:
    missing = problems()
    content = {"status": "ok" if not missing else "unavailable", "version": VERSION, "missing": missing}
    return JSONResponse(content, 200 if not missing else 503, IDENTITY)


@app.exception_handler(Exception)
def unavailable(_unused: Request, error: Exception) -> JSONResponse:
    log.error("a store does not answer: %s: %s", type(error).__name__, error)
    return JSONResponse({"detail": f"a store does not answer: {type(error).__name__}"}, 503, IDENTITY)
