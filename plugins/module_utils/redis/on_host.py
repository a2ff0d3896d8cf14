# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command webstack-redis consists of."""

from __future__ import annotations

from .. import files
from ..store import errors as store_errors
from ..store import lock
from ..store.timer import Program
from . import acl, backup, client, data, errors, program, server

PROGRAM = Program("redis", (program, acl, backup, client, data, errors, server, files, lock, store_errors))
