"""The toy worker, whose patience with Redis is shortened so that a test need not wait for it."""

from __future__ import annotations

from tests.gpu_node.worker.toy_worker import app

app.conf.broker_transport_options = {
    **app.conf.broker_transport_options,
    "socket_timeout": 2.0,
    "socket_connect_timeout": 2.0,
    "health_check_interval": 2,
}
