"""Logging in and out."""

from __future__ import annotations

from django.urls import path

from campus.accounts import views

urlpatterns = [
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", views.Logout.as_view(), name="logout"),
    path("home/", views.home, name="home"),
]
