"""How much of the GPU's memory this process holds, as the driver counts it."""

from __future__ import annotations

import importlib
import os
from typing import Any


def held(torch: Any) -> int:
    """Bytes, CUDA's own share included; torch's own count where the driver does not say.

    In a container the driver knows the process by another number, or gives none.
    """
    try:
        driver = importlib.import_module("pynvml")
        driver.nvmlInit()
    except Exception:
        # Not installed, or no driver that answers: nothing that should stop anybody.
        return int(torch.cuda.memory_reserved())
    try:
        # By its name: the first that CUDA may see need not be the first that there is.
        name = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
        gpu = driver.nvmlDeviceGetHandleByUUID(name)
        for process in driver.nvmlDeviceGetComputeRunningProcesses(gpu):
            if process.pid == os.getpid() and process.usedGpuMemory:
                return int(process.usedGpuMemory)
    except (driver.NVMLError, AttributeError):
        pass
    finally:
        driver.nvmlShutdown()
    return int(torch.cuda.memory_reserved())
