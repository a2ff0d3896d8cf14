# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses."""

from bookings import views
from django.urls import path

urlpatterns = [
    path("", views.home),
    path("health", views.health),
    path("api/services", views.ServiceList.as_view()),
    path("api/resources", views.ResourceList.as_view()),
    path("api/appointments", views.AppointmentList.as_view()),
]
