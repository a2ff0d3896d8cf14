# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits for each client and hour, counted in Redis by all workers together."""

import time

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

HOUR = 3600


class HourlyThrottle(BaseThrottle):
    """One counter for each client and clock hour.

    REST framework's own throttles keep a list of times, which two workers can read and write back at the same moment.
    """

    def allow_request(self, request: Request, view: object) -> bool:
        if "HTTP_X_FORWARDED_FOR" not in request.META:
            return True  # not through nginx: this host itself, that warms a release up
        scope, client = self._who(request)
        key = f"throttle:{scope}:{client}:{int(time.time()) // HOUR}"
        cache.add(key, 0, HOUR)
        return cache.incr(key) <= settings.THROTTLES[scope]

    def wait(self) -> float:
        return HOUR - time.time() % HOUR

    def _who(self, request: Request) -> tuple[str, str]:
        user = request.user
        if not user.is_authenticated:
            return "anon", str(self.get_ident(request))
        return ("staff" if user.is_staff else "user"), str(user.pk)
