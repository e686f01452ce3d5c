"""The operators' pages."""

from __future__ import annotations

from django.urls import path

from campus.fleet import views

app_name = "fleet"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("state/", views.state, name="state"),
    path("costs/", views.costs, name="costs"),
    path("costs.csv", views.costs_csv, name="costs_csv"),
    path("metrics", views.metrics_page, name="metrics"),
    path("nodes/<str:name>/<str:what>/", views.order, name="order"),
]
