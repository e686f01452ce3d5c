"""Prometheus metrics, read off what is there when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chatterbox_service.api.current import Current
from chatterbox_service.service import Service
from chatterbox_service.speech.desk import State

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' own format."}},
)
async def metrics(service: Current) -> Response:
    """Counters and gauges for Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Read(service))
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Read(Collector):
    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        desk, admission = self._service.desk, self._service.admission
        counts, voices = desk.counts, self._service.voices
        yield _gauge("up", "Whether it can speak.", desk.state is State.READY)
        yield _gauge("requests", "Requests that are open.", admission.inside)
        yield _gauge("lines_waiting", "Lines that wait for their turn.", desk.lines_waiting)
        yield _gauge("gpu_memory_bytes", "What this process holds.", desk.engine.memory_used())
        yield _gauge("voices_bytes", "What prepared voices hold.", voices.size)
        yield _counter("lines", "Lines that were spoken, or could not be.", counts.lines)
        yield _counter("rounds", "Batches that the engine was given.", counts.rounds)
        yield _counter("faults", "Batches that failed as a whole.", counts.faults)
        yield _counter("dropped", "Lines that nobody waited for any more.", counts.dropped)
        yield _counter("speaking_seconds", "The engine was at work.", counts.speaking_seconds)
        yield _counter("sound_seconds", "Sound that came of it.", counts.sound_seconds)
        yield _counter("refused", "Requests beyond the queue's bound.", admission.refused)
        yield _counter("gone", "Requests whose client hung up.", admission.gone)
        yield _counter("late", "Requests that were not done in time.", admission.late)
        yield _counter("voices_prepared", "References that were prepared.", voices.counts.prepared)
        yield _counter("voices_found", "Those that had been prepared before.", voices.counts.hits)
        yield _counter("voices_evicted", "Those that made room for others.", voices.counts.evicted)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"tts_{name}", what, value=float(value))


def _counter(name: str, what: str, value: float) -> Metric:
    return CounterMetricFamily(f"tts_{name}", what, value=float(value))
