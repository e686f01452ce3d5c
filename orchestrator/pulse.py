"""The controller's own sign of life, straight to Redis, for the dead-man's switch."""

from __future__ import annotations

import itertools
import logging
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from gpu_node.contracts.pulse import CONTROLLER_KEY, KEPT_SECONDS, ControllerPulse

log = logging.getLogger(__name__)

_TIMEOUT = 2.0
"""Seconds for each thing that Redis is asked: a tick waits for no longer."""


def beat(redis_url: str) -> bool:
    """Say that a tick has come to its end; whether Redis has it. What fails is logged."""
    boot_id, beats = _boot(os.getpid())
    pulse = ControllerPulse(boot_id=boot_id, beat=next(beats), at=datetime.now(UTC))
    try:
        with Redis.from_url(
            redis_url,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        ) as redis:
            redis.set(CONTROLLER_KEY, pulse.model_dump_json(), ex=KEPT_SECONDS)
    except (RedisError, OSError) as error:
        log.warning("the controller's pulse was not written: %s", type(error).__name__)
        return False
    return True


@cache
def _boot(_pid: int) -> tuple[str, Iterator[int]]:
    """Of this process: one that was forked from it is another boot."""
    return uuid.uuid4().hex, itertools.count(1)
