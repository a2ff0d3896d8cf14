# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers."""

import datetime
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import connection, models, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.generics import ListAPIView, ListCreateAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from .models import Appointment, Resource, Service, list_key


class Taken(APIException):
    """The resource has another appointment then."""

    status_code = 409
    default_detail = "the resource is taken at that time"
    default_code = "taken"


class ServiceSerializer(serializers.ModelSerializer[Service]):
    class Meta:
        model = Service
        fields = ["id", "name", "minutes", "cents"]


class ResourceSerializer(serializers.ModelSerializer[Resource]):
    class Meta:
        model = Resource
        fields = ["id", "name", "kind"]


class AppointmentSerializer(serializers.ModelSerializer[Appointment]):
    service_name = serializers.CharField(source="service.name", read_only=True)
    resource_name = serializers.CharField(source="resource.name", read_only=True)

    class Meta:
        model = Appointment
        fields = ["id", "service", "service_name", "resource", "resource_name", "customer", "starts_at", "ends_at"]
        read_only_fields = ["ends_at"]


class CachedList(ListAPIView[Any]):
    """A list that Redis keeps; a change of its table drops it (see ``forget_list`` of the models)."""

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = list_key(self.queryset.model)
        rows = cache.get(key)
        found = "miss" if rows is None else "hit"
        if rows is None:
            rows = self.get_serializer(self.get_queryset(), many=True).data
            cache.set(key, rows, settings.CACHE_SECONDS)
        return Response(rows, headers={"X-Cache": found})


class ServiceList(CachedList):
    queryset = Service.objects.order_by("name")
    serializer_class = ServiceSerializer


class ResourceList(CachedList):
    queryset = Resource.objects.order_by("name")
    serializer_class = ResourceSerializer


class AppointmentList(ListCreateAPIView[Appointment]):
    serializer_class = AppointmentSerializer

    def get_queryset(self) -> models.QuerySet[Appointment]:
        """Return one day's appointments, without a query for each of their names."""
        asked = self.request.query_params
        try:
            day = datetime.date.fromisoformat(asked.get("day") or datetime.date.today().isoformat())
            resource = int(asked["resource"]) if "resource" in asked else None
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None
        start = datetime.datetime.combine(day, datetime.time(), datetime.timezone.utc)
        found = Appointment.objects.filter(starts_at__gte=start, starts_at__lt=start + datetime.timedelta(days=1))
        if resource is not None:
            found = found.filter(resource=resource)
        return found.select_related("service", "resource").order_by("starts_at")[:500]

    @transaction.atomic
    def perform_create(self, serializer: serializers.BaseSerializer[Appointment]) -> None:
        """Book, unless somebody else was faster: the resource's row is locked while we look."""
        wanted = serializer.validated_data
        resource = Resource.objects.select_for_update().get(pk=wanted["resource"].pk)
        start = wanted["starts_at"]
        end = start + datetime.timedelta(minutes=wanted["service"].minutes)
        if Appointment.objects.filter(resource=resource, starts_at__lt=end, ends_at__gt=start).exists():
            raise Taken
        serializer.save(ends_at=end)


def home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html")


def health(request: HttpRequest) -> JsonResponse:
    """Say whether everything is there that a request needs."""
    missing = [f"{name}: {problem}" for name, problem in (("database", _database()), ("cache", _cache())) if problem]
    status = "ok" if not missing else "unavailable"
    return JsonResponse({"status": status, "missing": missing}, status=200 if not missing else 503)


def _database() -> str:
    if connection.vendor == "unknown":
        return "DATABASE_URL is not set"
    try:
        Service.objects.only("id").first()
    except Exception as error:
        return type(error).__name__  # the text of a database's error may tell more than the public should know
    return ""


def _cache() -> str:
    if "redis" not in settings.CACHES["default"]["BACKEND"]:
        return "REDIS_URL is not set"
    try:
        cache.get("health")
    except Exception as error:
        return type(error).__name__
    return ""
