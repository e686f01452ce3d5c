"""Reviewing."""

from __future__ import annotations

from django.urls import path

from campus.review import media, views

app_name = "review"
urlpatterns = [
    path("", views.reviews, name="list"),
    path("lessons/<uuid:lesson_id>/video", media.lesson_video, name="lesson_video"),
    path("<uuid:voiceover_id>/", views.page, name="page"),
    path("<uuid:voiceover_id>/files/<str:what>", media.dub_file, name="file"),
    path("<uuid:voiceover_id>/lines/<int:line_id>/", views.keep, name="keep"),
    path("<uuid:voiceover_id>/approve/", views.approve, name="approve"),
    path("<uuid:voiceover_id>/changes/", views.request_changes, name="changes"),
]
