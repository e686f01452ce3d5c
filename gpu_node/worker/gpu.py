"""The graphics card, as its driver describes it."""

from __future__ import annotations

import logging

import pynvml

from gpu_node.contracts.node_api import GpuFacts

log = logging.getLogger(__name__)

_MB = 1 << 20


class Gpu:
    """The first card of this machine. For one thread; must not be taken through a fork."""

    def __init__(self) -> None:
        self._open = False

    def facts(self) -> GpuFacts | None:
        """How it stands; None where there is no card, no driver, or one that does not answer."""
        try:
            return self._facts()
        except pynvml.NVMLError as error:
            if self._open:
                log.warning("the graphics card does not answer: %s", error)
            # A driver that was loaded anew has to be opened anew.
            self._open = False
            return None

    def _facts(self) -> GpuFacts:
        if not self._open:
            pynvml.nvmlInit()
            self._open = True
        card = pynvml.nvmlDeviceGetHandleByIndex(0)
        memory = pynvml.nvmlDeviceGetMemoryInfo(card)
        return GpuFacts(
            name=str(pynvml.nvmlDeviceGetName(card))[:100],
            use_percent=float(pynvml.nvmlDeviceGetUtilizationRates(card).gpu),
            memory_used_mb=int(memory.used) // _MB,
            memory_total_mb=int(memory.total) // _MB,
            temperature=float(pynvml.nvmlDeviceGetTemperature(card, pynvml.NVML_TEMPERATURE_GPU)),
        )
