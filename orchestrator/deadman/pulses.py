"""Reads the pulses out of Redis."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TypeVar

from pydantic import ValidationError
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from gpu_node.contracts.pulse import (
    CONTROLLER_KEY,
    ControllerPulse,
    NodePulse,
    Pulse,
    node_key,
)
from orchestrator.deadman.facts import RedisFacts

log = logging.getLogger(__name__)

_TIMEOUT = 5.0

P = TypeVar("P", bound=Pulse)


def read_pulses(url: str, nodes: Iterable[str]) -> RedisFacts | None:
    """What Redis says of these nodes and the controller; None when it cannot be asked."""
    names = sorted(set(nodes))
    try:
        with Redis.from_url(
            url,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        ) as redis:
            server = redis.info("server")
            values = redis.mget([CONTROLLER_KEY, *(node_key(name) for name in names)])
    except (RedisError, OSError, ValueError) as error:
        # Its text may hold the address, and that a password.
        log.warning("Redis cannot be asked: %s", type(error).__name__)
        return None
    pulses = {
        name: pulse
        for name, value in zip(names, values[1:], strict=True)
        if (pulse := _understood(NodePulse, value)) is not None
    }
    return RedisFacts(
        run_id=str(server.get("run_id", "")),
        uptime_seconds=float(server.get("uptime_in_seconds", 0)),
        controller=_understood(ControllerPulse, values[0]),
        nodes=pulses,
    )


def _understood(model: type[P], value: bytes | str | None) -> P | None:
    if value is None:
        return None
    try:
        return model.model_validate_json(value)
    except ValidationError:
        log.warning("a pulse cannot be understood: it counts as missing")
        return None
