"""What the embedded video host serves."""

from __future__ import annotations

from django.urls import path

from campus.publishing import watch

app_name = "watch"
urlpatterns = [
    path("<slug:host_id>/", watch.page, name="page"),
    path("<slug:host_id>/video.mp4", watch.video, name="video"),
    path("<slug:host_id>/<slug:language>.vtt", watch.track, name="track"),
]
