"""The main server: the course platform around the orchestrator."""

from campus.celery import app as celery_app

__all__ = ["celery_app"]
