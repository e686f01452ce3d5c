"""Perth's inaudible mark, on every line, as upstream leaves no choice about it.

It is put on by the processor, line by line, beside what the GPU does for the next ones.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from chatterbox_service.engines.chatterbox.facts import SAMPLE_RATE
from chatterbox_service.ports import Samples


class Watermark:
    """Marks lines in threads of its own. Its network has no state: several may go at once."""

    def __init__(self, perth: Any, threads: int) -> None:
        self._perth = perth
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="watermark")
        self._lock = threading.Lock()
        self.seconds = 0.0
        """Of computing, in all threads together."""

    def mark(self, samples: Samples) -> Future[Samples]:
        """The end loses up to 20 ms, what does not fill a step of the transform: as upstream."""
        return self._pool.submit(self._marked, samples)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _marked(self, samples: Samples) -> Samples:
        import torch

        begun = time.perf_counter()
        # The mode is each thread's own.
        with torch.inference_mode():
            marked = self._perth.apply_watermark(samples, sample_rate=SAMPLE_RATE)
        with self._lock:
            self.seconds += time.perf_counter() - begun
        return np.asarray(marked, np.float32)
