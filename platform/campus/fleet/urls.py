"""The operators' page."""

from __future__ import annotations

from django.urls import path

from campus.fleet import views

app_name = "fleet"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("state/", views.state, name="state"),
    path("nodes/<slug:name>/<str:what>/", views.order, name="order"),
]
