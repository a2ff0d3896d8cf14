# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say in every answer which release it is from."""

import os
from collections.abc import Callable

from core.version import VERSION
from django.http import HttpRequest, HttpResponse


def say_which_release(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Add the headers X-Version and X-Release."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["X-Version"] = VERSION
        response["X-Release"] = os.environ.get("WEBSTACK_RELEASE", "")
        return response

    return answer
