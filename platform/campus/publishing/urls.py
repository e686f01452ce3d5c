"""What the embedded video host serves."""

from __future__ import annotations

from django.urls import path

from campus.publishing import watch

app_name = "watch"
urlpatterns = [
    path("<str:host_id>/", watch.page, name="page"),
    path("<str:host_id>/video.mp4", watch.video, name="video"),
    path("<str:host_id>/<str:language>.vtt", watch.track, name="track"),
]
