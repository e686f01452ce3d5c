"""The bell's pages."""

from __future__ import annotations

from django.urls import path

from campus.notifications import views

app_name = "notices"
urlpatterns = [
    path("", views.notices, name="list"),
    path("read/", views.read_all, name="read_all"),
    path("<int:notice_id>/", views.open_notice, name="open"),
]
