"""Looks whether the main server is there, and what the worker on this node is at."""

from __future__ import annotations

import fcntl
import logging
from pathlib import Path

import requests
from pydantic import ValidationError
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, ResponseError
from redis.retry import Retry

from gpu_node.contracts.pulse import PULSE_FILE, NodePulse
from gpu_node.guard.verdict import Sight

log = logging.getLogger(__name__)

_TIMEOUT = 10.0
_LOCK = "lock"
"""The worker, and every process that it forks, holds it in the work folder."""


def look(site_url: str, redis_url: str, work_folder: Path) -> Sight:
    """One look. Raises nothing: what cannot be seen is not there."""
    return Sight(
        site=site_answers(site_url),
        redis=redis_answers(redis_url),
        worker=worker_lives(work_folder),
        pulse=read_pulse(work_folder),
    )


def site_answers(site_url: str) -> bool:
    """Whether the main server says that it is well; a proxy before a dead one says 502."""
    try:
        answer = requests.get(f"{site_url}/healthz", timeout=_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        log.info("the main server does not answer: %s", type(error).__name__)
        return False
    return answer.status_code == 200


def redis_answers(redis_url: str) -> bool:
    """Whether Redis answers anything at all, a refusal too."""
    try:
        with Redis.from_url(
            redis_url,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        ) as redis:
            redis.ping()
    except (AuthenticationError, BusyLoadingError, ResponseError):
        return True
    except (RedisError, OSError, ValueError) as error:
        log.info("Redis does not answer: %s", type(error).__name__)
        return False
    return True


def worker_lives(work_folder: Path) -> bool:
    """Whether some process of the worker lives: the kernel frees the lock of a dead one."""
    try:
        with (work_folder / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        # Held; or it cannot be told, and then there may be one.
        return True
    return False


def read_pulse(work_folder: Path) -> NodePulse | None:
    """What the worker has said of itself last."""
    try:
        return NodePulse.model_validate_json((work_folder / PULSE_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning("the worker's pulse cannot be read: %s", type(error).__name__)
        return None
