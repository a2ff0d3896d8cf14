# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints. They wait for MySQL in threads of their own, so that a worker serves several at once."""

from __future__ import annotations

import os
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from .database import NotConfiguredError, engine, log
from .feed import UnknownUserError, feed
from .version import VERSION

IDENTITY = {"X-Version": VERSION, "X-Release": os.environ.get("WEBSTACK_RELEASE", "")}


def say_which_release(response: Response) -> None:
    response.headers.update(IDENTITY)


app = FastAPI(title="recomendaciones", version=VERSION, dependencies=[Depends(say_which_release)])


class Search(BaseModel):
    self_id: int = Field(alias="SELF_ID", ge=1)
    n_videos: int = Field(24, alias="N_VIDEOS", ge=1, le=100)
    excluded_ids: list[int] = Field([], alias="EXCLUDED_IDS", max_length=1000)


@app.post("/api/search/total")
def search(asked: Search, response: Response) -> dict[str, Any]:
    try:
        with engine().connect() as connection:
            videos, timings = feed(connection, asked.self_id, asked.n_videos, asked.excluded_ids)
    except UnknownUserError:
        raise HTTPException(404, f"there is no user {asked.self_id}") from None
    response.headers["Server-Timing"] = ", ".join(f"{name};dur={ms:.2f}" for name, ms in timings.items())
    return {"SELF_ID": asked.self_id, "feed": videos}


@app.get("/api/search/total")
def search_by_link(self_id: Annotated[int, Query(alias="SELF_ID", ge=1)], response: Response) -> dict[str, Any]:
    return search(Search(SELF_ID=self_id), response)


@app.get("/health")
def health() -> JSONResponse:
    """Say whether everything is there that a request needs."""
    missing = []
    try:
        with engine().connect() as connection:
            connection.execute(
                text("SELECT (SELECT id FROM users LIMIT 1), (SELECT id FROM videos LIMIT 1), 1 FROM views LIMIT 1")
            )
    except NotConfiguredError as error:
        missing.append(str(error))
    except SQLAlchemyError as error:
        missing.append(f"database: {type(error).__name__}")  # its text may tell more than the public should know
    content = {"status": "ok" if not missing else "unavailable", "version": VERSION, "missing": missing}
    return JSONResponse(content, 200 if not missing else 503, IDENTITY)


@app.exception_handler(SQLAlchemyError)
@app.exception_handler(NotConfiguredError)
def unavailable(_unused: Request, error: Exception) -> JSONResponse:
    log.error("the database does not answer: %s", type(error).__name__)
    return JSONResponse({"detail": "the database does not answer"}, 503, IDENTITY)
