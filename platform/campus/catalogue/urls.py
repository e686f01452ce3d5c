"""The catalogue."""

from __future__ import annotations

from django.urls import path

from campus.catalogue import views

urlpatterns = [
    path("", views.catalogue, name="catalogue"),
    path("catalogue/<uuid:course_id>/", views.course, name="catalogue_course"),
    path("catalogue/<uuid:course_id>/buy/", views.buy, name="catalogue_buy"),
]
