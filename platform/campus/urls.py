"""Where everything is."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from campus.accounts.views import admin_door
from campus.healthz import healthz
from gpu_node.contracts.node_api import API_ROOT
from orchestrator import blob_views
from orchestrator.node_api import api as node_api

urlpatterns = [
    path("healthz", healthz),
    path(f"{API_ROOT.strip('/')}/", node_api.urls),
    *blob_views.urlpatterns,
    path("admin/login/", admin_door),
    path("admin/", admin.site.urls),
    path("", include("campus.accounts.urls")),
    path("", include("campus.catalogue.urls")),
    path("courses/", include("campus.courses.urls")),
    path("voiceovers/", include("campus.voiceovers.urls")),
    path("review/", include("campus.review.urls")),
    path("watch/", include("campus.publishing.urls")),
    path("notices/", include("campus.notifications.urls")),
    path("ops/", include("campus.fleet.urls")),
]
