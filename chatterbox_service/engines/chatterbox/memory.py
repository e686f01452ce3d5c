"""How much of the GPU's memory this process holds, as the driver counts it."""

from __future__ import annotations

import importlib
import os
from typing import Any


class GpuMemory:
    """Asks NVML, from any thread; torch's own count where the driver does not say.

    In a container the driver knows the process by another number, or gives none.
    """

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._driver: Any = None
        self._gpu: Any = None
        try:
            driver = importlib.import_module("pynvml")
            # Once: it takes longer than `/health` has.
            driver.nvmlInit()
            self._driver = driver
            # By its name: the first that CUDA may see need not be the first that there is.
            name = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
            self._gpu = driver.nvmlDeviceGetHandleByUUID(name)
        except Exception:
            # Not installed, or no driver that answers: nothing that should stop anybody.
            self.close()

    def held(self) -> int:
        """Bytes, CUDA's own share included if the driver says so."""
        if self._gpu is not None:
            try:
                running = self._driver.nvmlDeviceGetComputeRunningProcesses(self._gpu)
            except self._driver.NVMLError:
                running = []
            for process in running:
                if process.pid == os.getpid() and process.usedGpuMemory:
                    return int(process.usedGpuMemory)
        return int(self._torch.cuda.memory_reserved())

    def close(self) -> None:
        """May be called more than once."""
        driver, self._driver, self._gpu = self._driver, None, None
        if driver is not None:
            driver.nvmlShutdown()
