"""A partner's pages."""

from __future__ import annotations

from django.urls import path

from campus.courses import lesson_views, views

app_name = "courses"
urlpatterns = [
    path("", views.mine, name="mine"),
    path("new/", views.create, name="create"),
    path("<uuid:course_id>/", views.edit, name="edit"),
    path("<uuid:course_id>/states/", views.states, name="states"),
    path("<uuid:course_id>/details/", views.details, name="details"),
    path("<uuid:course_id>/submit/", views.submit, name="submit"),
    path("<uuid:course_id>/delete/", views.delete, name="delete"),
    path("<uuid:course_id>/lessons/new/", lesson_views.add, name="lesson_add"),
    path("lessons/<uuid:lesson_id>/", lesson_views.change, name="lesson_change"),
    path("lessons/<uuid:lesson_id>/up/", lesson_views.shift, {"direction": "up"}, "lesson_up"),
    path(
        "lessons/<uuid:lesson_id>/down/", lesson_views.shift, {"direction": "down"}, "lesson_down"
    ),
    path("lessons/<uuid:lesson_id>/delete/", lesson_views.delete, name="lesson_delete"),
    path("lessons/<uuid:lesson_id>/subtitles/", lesson_views.subtitles, name="subtitles"),
    path(
        "lessons/<uuid:lesson_id>/subtitles/<slug:language>/remove/",
        lesson_views.remove_subtitles,
        name="subtitles_remove",
    ),
]
