# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill an empty database: services, resources, and a month of appointments."""

import datetime
from typing import Any

from django.core.management import BaseCommand

from bookings.models import Appointment, Resource, Service

SERVICES, RESOURCES, DAYS, SLOTS = 40, 60, 30, 16


class Command(BaseCommand):
    """Does nothing where there is a service."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        if Service.objects.exists():
            return
        services = Service.objects.bulk_create(
            Service(name=f"Servicio {n:02}", minutes=30, cents=1500 + 100 * n) for n in range(SERVICES)
        )
        resources = Resource.objects.bulk_create(
            Resource(name=f"Sala {n:02}", kind="sala" if n % 2 else "persona") for n in range(RESOURCES)
        )
        first = datetime.datetime.combine(datetime.date.today(), datetime.time(8), datetime.timezone.utc)
        half_hour = datetime.timedelta(minutes=30)
        Appointment.objects.bulk_create(
            (
                Appointment(
                    service=services[(day + slot) % SERVICES],
                    resource=resource,
                    customer=f"Cliente {day * SLOTS + slot}",
                    starts_at=first + datetime.timedelta(days=day) + slot * half_hour,
                    ends_at=first + datetime.timedelta(days=day) + (slot + 1) * half_hour,
                )
                for day in range(DAYS)
                for slot in range(0, SLOTS, 2)
                for resource in resources
            ),
            batch_size=2000,
        )
