# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells which Starlette it runs with."""

from __future__ import annotations

import os

import starlette
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def root(_request: Request) -> JSONResponse:
    return JSONResponse({"starlette": starlette.__version__, "release": os.environ.get("WEBSTACK_RELEASE")})


app = Starlette(routes=[Route("/", root)])
