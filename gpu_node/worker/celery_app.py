"""The worker as a Celery app: its settings, its one task, and what hangs on the worker's life.

Celery is the doorbell. A message without arguments says "claim now"; it is acknowledged before it
is acted on, and expires. Losing one, or getting one twice, changes when work begins, nothing else.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

import click
from celery import Celery, signals
from kombu import Queue

from gpu_node.client import NodeClient
from gpu_node.contracts.errors import DubfleetError
from gpu_node.contracts.node_api import DOORBELL_SECONDS, NODE_QUEUE_PREFIX, WORK_TASK
from gpu_node.contracts.settings import SettingError
from gpu_node.kinds.kind import Kind
from gpu_node.redaction import redact_http_logs
from gpu_node.transfers.ways import Ways
from gpu_node.worker.beats import Beats, Bells, Machine
from gpu_node.worker.board import Board
from gpu_node.worker.folders import WorkFolder
from gpu_node.worker.gpu import Gpu
from gpu_node.worker.pulse import Desk, Occupation, PulseWriter, SeenBench
from gpu_node.worker.selftest import checks
from gpu_node.worker.settings import NodeSettings, node_settings
from gpu_node.worker.work import Terminated, work

log = logging.getLogger(__name__)

STOP_SECONDS = 45
"""A worker that was told to stop has ended by then, one way or another."""

_RESULT_SECONDS = 3600
_LOST_CHILD_SECONDS = 1.0
_SHOWN_SECONDS = 5.0
"""A pulse that takes longer than that to say that work begins is not waited for."""


def make_app(kinds: Mapping[str, Kind[Any]]) -> Celery:
    """The Celery app of a worker that does these kinds of job."""
    # Not the current app of the process that imports it: that may be a site's. And without fixups:
    # one would set up Django wherever the environment names its settings.
    app = Celery("gpu_node", set_as_current=False, fixups=[])
    app.add_defaults(_configured)
    host = _Host(app, kinds)
    # A task is otherwise shared with every app of the process.
    app.task(name=WORK_TASK, shared=False)(host.work)
    signals.worker_init.connect(host.begin, weak=False)
    signals.worker_process_init.connect(host.begin_child, weak=False)
    signals.celeryd_after_setup.connect(host.set_up, weak=False)
    signals.worker_ready.connect(host.ready, weak=False)
    signals.worker_shutting_down.connect(host.told_to_stop, weak=False)
    signals.worker_shutdown.connect(host.stopped, weak=False)
    return app


def celery_settings(settings: NodeSettings) -> dict[str, Any]:
    """All of Celery's settings for a node."""
    redis = settings.redis_url.get_secret_value()
    queue = NODE_QUEUE_PREFIX + settings.node_name
    return {
        "broker_url": redis,
        # A path that is dead without saying so is noticed within about a minute. The visibility
        # timeout is left alone: nothing of ours is ever unacknowledged for long.
        "broker_transport_options": {
            "socket_timeout": 5.0,  # five seconds of patience: docs/decisions/0010
            "socket_connect_timeout": 5.0,
            "socket_keepalive": True,
            "socket_keepalive_options": {
                socket.TCP_KEEPIDLE: 30,
                socket.TCP_KEEPINTVL: 10,
                socket.TCP_KEEPCNT: 3,
            },
            "health_check_interval": 10,
            "retry_on_timeout": False,
            "client_name": f"node-{settings.node_name}",
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # Whoever rang may look at the answer; nobody has to, and nothing waits for it.
        "result_backend": redis,
        "result_expires": _RESULT_SECONDS,
        "result_backend_transport_options": {"retry_policy": {"timeout": 5.0}},
        "redis_socket_timeout": 10.0,
        "redis_socket_connect_timeout": 5.0,
        "redis_socket_keepalive": True,
        "redis_retry_on_timeout": True,
        "redis_backend_health_check_interval": 20,
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "task_default_queue": queue,
        "task_queues": [Queue(queue)],
        "task_create_missing_queues": True,
        "task_acks_late": False,
        "task_reject_on_worker_lost": False,
        "task_send_sent_event": True,
        # A job has no fixed length; what hangs is stopped by the time limits of its stages.
        "task_time_limit": None,
        "task_soft_time_limit": None,
        # The pool's child does the job; the main process stays free for heartbeats and commands.
        "worker_pool": "prefork",
        "worker_concurrency": 1,
        # A doorbell that is heard while a job runs stays in Redis, where it expires.
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        # Redis may come and go under a running job.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_send_task_events": True,
        "worker_lost_wait": _LOST_CHILD_SECONDS,
        # A child is forked when the last one was killed, on a machine that may be busy.
        "worker_proc_alive_timeout": 60.0,
        # For SIGQUIT. SIGTERM is heard by the job itself, which needs no more than seconds.
        "worker_soft_shutdown_timeout": float(STOP_SECONDS),
        "timezone": "UTC",
    }


def _configured() -> dict[str, Any]:
    try:
        return celery_settings(node_settings())
    except SettingError as error:
        raise click.ClickException(str(error)) from None


@dataclass(frozen=True, slots=True)
class _Life:
    """What one start of the worker has, from before its pool is forked."""

    main: int
    boot_id: str
    folders: WorkFolder
    lock: IO[str]
    """Children hold it too: a new worker waits until the last of them is gone."""
    board: Board
    desk: Desk
    beats: Beats


class _Host:
    """Hangs the worker on Celery's signals, in its main process and in its pool child."""

    def __init__(self, app: Celery, kinds: Mapping[str, Kind[Any]]) -> None:
        self._app = app
        self._kinds = kinds
        self._life: _Life | None = None

    def begin(self, sender: Any, **_: object) -> None:
        """In the main process, before anything is forked. Raises SystemExit with a sentence."""
        if sender.app is not self._app:
            return
        settings = node_settings()
        redact_http_logs()
        folders = WorkFolder(settings.node_work_folder, settings.node_work_max_bytes)
        try:
            lock = folders.hold()
        except DubfleetError as error:
            raise SystemExit(error.sentence) from None
        folders.tidy(time.time())
        board, desk, boot_id = Board(), Desk(), uuid.uuid4().hex
        bells = Bells(ring=self._ring, leave=_leave, results=lambda: bool(folders.results()))
        pulse = PulseWriter(
            settings.node_name,
            boot_id,
            settings.redis_url.get_secret_value(),
            settings.node_work_folder,
            lambda: _occupation(board, desk, folders),
        )
        gpu = Gpu()
        machine = Machine(
            checks=checks(settings.wants, gpu.facts, _now),
            gpu=gpu.facts,
            # A child that died at its work has left the job's name on the desk.
            job=lambda: desk.job if board.busy else None,
        )
        beats = Beats(_client(settings), boot_id, self._kinds, board, bells, pulse.beat, machine)
        self._life = _Life(os.getpid(), boot_id, folders, lock, board, desk, beats)

    def set_up(self, instance: Any, **_: object) -> None:
        """In the main process: logs are set up, the pool is not forked, Redis was not looked for.

        From here on we are heard, and have a pulse, whether or not there is a Redis; Celery says
        that the worker is ready only after that has answered.
        """
        if self._life is not None and instance.app is self._app:
            self._life.beats.start()

    def begin_child(self, **_: object) -> None:
        """In a pool child. Celery has asked Linux to kill it when its parent dies."""
        if self._life is not None and os.getppid() != self._life.main:
            # The parent died before that was asked for: no signal will come.
            os._exit(1)

    def ready(self, sender: Any, **_: object) -> None:
        """The broker is there, for the first time or again."""
        if self._life is not None and sender.app is self._app:
            self._life.beats.ring_again()

    def told_to_stop(self, **_: object) -> None:
        """In a signal's handler: only what is safe there."""
        if self._life is None:
            return
        self._life.board.stop()
        # The kernel itself ends us if we have not done so by then, whatever hangs; the pool
        # child dies with us.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(STOP_SECONDS)

    def stopped(self, sender: Any, **_: object) -> None:
        """Nothing runs any more."""
        if self._life is not None and sender.app is self._app:
            self._life.board.stop()
            self._life.beats.say_stopped()

    def work(self) -> Mapping[str, str | None]:
        """The task, in the pool child. Raises RuntimeError outside of a worker."""
        life = self._life
        if life is None:
            raise RuntimeError("this task runs in a node's worker only")
        settings = node_settings()
        terminated = Terminated()
        bench = SeenBench(
            desk=life.desk,
            client=_client(settings),
            folders=life.folders,
            kinds=self._kinds,
            stopping=lambda: life.board.stopping or terminated.told,
            secrets=(
                settings.node_token.get_secret_value(),
                settings.redis_url.get_secret_value(),
            ),
            ways=Ways(settings.sftp),
        )
        with terminated.heard():
            life.board.begin()
            try:
                # So that no guard takes us for idle when a job comes of it.
                if not life.board.wait_until_shown(_SHOWN_SECONDS):
                    log.warning("the pulse did not say in time that work begins")
                return work(bench, life.board, life.boot_id)
            finally:
                life.board.end()

    def _ring(self) -> None:
        """Wake our own pool, in the way that everybody else does."""
        self._app.send_task(WORK_TASK, expires=DOORBELL_SECONDS, retry=False, ignore_result=True)


def _occupation(board: Board, desk: Desk, folders: WorkFolder) -> Occupation:
    """What the pool's child is at; what a dead one has left on its desk is nobody's work."""
    if not board.busy:
        return Occupation(busy=False)
    job = desk.job
    return Occupation(True, job, kept=job is not None and folders.job(job).holds_result)


def _client(settings: NodeSettings) -> NodeClient:
    return NodeClient(settings.site_url, settings.node_token.get_secret_value())


def _now() -> datetime:
    return datetime.now(UTC)


def _leave() -> None:
    """As an operator does, so that there is one way to stop."""
    os.kill(os.getpid(), signal.SIGTERM)
