"""Celery's settings, all of them derived from `SiteSettings` and `FleetSettings`."""

from __future__ import annotations

from typing import Any

from campus.queues import CONTROL_QUEUE, SITE_QUEUE
from campus.site_settings import site_settings
from orchestrator.settings import fleet_settings

# A web request rings after its commit: when Redis is away it must go on, and soon.
IMPATIENT: dict[str, Any] = {
    "socket_timeout": 1.0,
    "socket_connect_timeout": 0.5,
    "max_retries": 0,
    "retry_on_timeout": False,
}
# A worker waits for messages, and must notice a path that is dead (docs/decisions/0010).
PATIENT: dict[str, Any] = {
    "socket_timeout": 5.0,
    "socket_connect_timeout": 5.0,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "retry_on_timeout": False,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
}


def _every(task: str, seconds: float, queue: str) -> dict[str, Any]:
    return {
        "task": task,
        "schedule": seconds,
        # A tick that nobody took in time is the next one's business.
        "options": {"queue": queue, "expires": seconds},
    }


_site, _fleet = site_settings(), fleet_settings()

broker_url = _site.redis_url.get_secret_value()
broker_transport_options = IMPATIENT
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# A node's answer is seen in Flower, which reads events; nobody waits for a result.
result_backend = None
task_ignore_result = True

task_serializer = result_serializer = "json"
accept_content = ["json"]
task_acks_late = False
task_publish_retry = False
task_send_sent_event = True
task_time_limit = 1800
task_default_queue = SITE_QUEUE
task_routes = {"orchestrator.*": {"queue": CONTROL_QUEUE}}

worker_prefetch_multiplier = 1
worker_disable_prefetch = True
worker_cancel_long_running_tasks_on_connection_loss = False
worker_send_task_events = True

timezone = "UTC"
beat_schedule = {
    "orchestrator": _every("orchestrator.tick", _fleet.fleet_tick_seconds, CONTROL_QUEUE),
    "publishing": _every("campus.publishing.tick", _site.publishing_tick_seconds, SITE_QUEUE),
    "notifications": _every(
        "campus.notifications.send", _site.notification_tick_seconds, SITE_QUEUE
    ),
}
