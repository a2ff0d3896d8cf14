# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrate for a release, and back to where the release before it was.

``manage.py migrate`` alone knows no way back: a name given as its undo would be that of one release for all time.
"""

import json
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

TABLE = "CREATE TABLE IF NOT EXISTS release_migrations (release text PRIMARY KEY, applied jsonb NOT NULL)"


class Command(BaseCommand):
    """``release up`` or ``release down``; both may be run twice."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("direction", choices=["up", "down"])

    def handle(self, *args: Any, **options: Any) -> None:
        release = os.environ.get("WEBSTACK_RELEASE", "unnamed")
        with connection.cursor() as cursor:
            cursor.execute(TABLE)
            if options["direction"] == "up":
                before = json.dumps(sorted(self._applied()))
                # A run that was cut off has noted it already.
                cursor.execute(
                    "INSERT INTO release_migrations VALUES (%s, %s) ON CONFLICT DO NOTHING", [release, before]
                )
                call_command("migrate", interactive=False)
                return
            cursor.execute("SELECT applied FROM release_migrations WHERE release = %s", [release])
            row = cursor.fetchone()
            if row:
                self._go_back({tuple(name) for name in json.loads(row[0])})
                cursor.execute("DELETE FROM release_migrations WHERE release = %s", [release])

    def _applied(self) -> set[tuple[str, str]]:
        return set(MigrationRecorder(connection).applied_migrations())

    def _go_back(self, before: set[tuple[str, str]]) -> None:
        for label in sorted({label for label, _unused in self._applied() - before}):
            kept = sorted(name for other, name in before if other == label)
            call_command("migrate", label, kept[-1] if kept else "zero", interactive=False)
