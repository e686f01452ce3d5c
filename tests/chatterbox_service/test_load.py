"""Fifty clients for a minute: sound or "come again", and /health as if nobody was there."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import httpx
import psutil
import pytest

from tests.chatterbox_service.served import program

CLIENTS = 50
SECONDS = float(os.environ.get("LOAD_SECONDS", "60"))


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_fifty_clients(tmp_path: Path) -> None:
    with program(tmp_path, queue="32") as running:
        running.wait_until_healthy()
        process = psutil.Process(running.process.pid)
        # The one who looks at its health has a process of its own: it must not wait for the others.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
            watching = other.submit(watch, running.url, process.pid, SECONDS)
            answers = asyncio.run(_load(running.url))
            health, memory = watching.result()
        print(dict(answers), _line(health), [size // 1024**2 for size in memory[::100]])  # noqa: T201  # its result
        assert answers[200] > 100
        assert answers[503] > 0, "fifty are more than the queue's thirty-two"
        assert set(answers) == {200, 503}
        assert _quantile(health, 0.99) < 0.050
        settled = memory[len(memory) // 3]
        assert memory[-1] < settled * 1.15 + 10 * 1024**2
        assert process.num_fds() < 200


def watch(url: str, pid: int, seconds: float) -> tuple[list[float], list[int]]:
    """How long /health took, each time, and the service's memory, in seconds and bytes."""
    process, until = psutil.Process(pid), time.monotonic() + seconds
    health: list[float] = []
    memory: list[int] = []
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        http.get("/health")
        while time.monotonic() < until:
            began = time.perf_counter()
            http.get("/health").raise_for_status()
            health.append(time.perf_counter() - began)
            memory.append(process.memory_info().rss)
            time.sleep(0.02)
    return health, memory


async def _load(url: str) -> Counter[int]:
    answers: Counter[int] = Counter()
    until = time.monotonic() + SECONDS

    async def client(number: int) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
            said = 0
            while time.monotonic() < until:
                said += 1
                text = f"Client number {number} says its sentence number {said}."
                asked = {"text": text, "language": "en"}
                answer = await http.post("/api/tts/generate", json=asked)
                answers[answer.status_code] += 1
                if answer.status_code == 503:
                    # It says seconds; this is to be a load.
                    await asyncio.sleep(0.2)

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return answers


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _line(values: list[float]) -> str:
    shares = {share: _quantile(values, share) * 1000 for share in (0.5, 0.95, 0.99, 1.0)}
    return " ".join(f"p{share * 100:g} {figure:.1f} ms" for share, figure in shares.items())
