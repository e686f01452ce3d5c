"""A voiceover's own page."""

from __future__ import annotations

from django.urls import path

from campus.voiceovers import views

app_name = "voiceovers"
urlpatterns = [
    path("<uuid:voiceover_id>/", views.page, name="page"),
    path("<uuid:voiceover_id>/state/", views.state, name="state"),
    path("<uuid:voiceover_id>/<str:what>/", views.act, name="act"),
]
