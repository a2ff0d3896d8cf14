# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes for a day's appointments and for free times, built while the release before goes on writing."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY works outside of transactions only
    dependencies = [("bookings", "0001_initial")]
    operations = [
        AddIndexConcurrently("appointment", models.Index(fields=["resource", "starts_at"], name="appointment_free")),
        AddIndexConcurrently("appointment", models.Index(fields=["starts_at"], name="appointment_day")),
    ]
