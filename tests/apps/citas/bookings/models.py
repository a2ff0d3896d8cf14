# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is stored."""

from typing import Any

from django.core.cache import cache
from django.db import models


class Service(models.Model):
    """What can be booked."""

    name = models.CharField(max_length=80, unique=True)
    minutes = models.PositiveSmallIntegerField()
    cents = models.PositiveIntegerField()


class Resource(models.Model):
    """Who or what renders a service: one appointment at a time."""

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=20)


class Appointment(models.Model):
    """One booking; ``ends_at`` follows from the service."""

    service = models.ForeignKey(Service, models.PROTECT, db_index=False)
    resource = models.ForeignKey(Resource, models.PROTECT, db_index=False)
    customer = models.CharField(max_length=120)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["resource", "starts_at"], name="appointment_free"),
            models.Index(fields=["starts_at"], name="appointment_day"),
        ]


def list_key(model: type[models.Model]) -> str:
    """Return the cache's key of the list of all rows."""
    return f"list:{model._meta.model_name}"


def forget_list(sender: type[models.Model], **_unused: Any) -> None:
    cache.delete(list_key(sender))


# Here and not beside the lists: a management command changes rows without ever loading those.
for _model in (Service, Resource):
    models.signals.post_save.connect(forget_list, _model)
    models.signals.post_delete.connect(forget_list, _model)
