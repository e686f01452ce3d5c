"""Nova's in-tree fake hypervisor, with GPUs, time and faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from nova import exception
from nova.virt import fake

from tests.cloud.loopback.knobs import Knobs, SpawnFault
from tests.cloud.loopback.options import GPUS

NAME = "fake.GpuDriver"

DRIVERS: dict[str, GpuDriver] = {}
"""Each host's, while it is up or was."""

FREE_GPUS: dict[str, int] = {}
"""What a test has left a host of its GPUs."""

_SPAWN_FAILS: dict[SpawnFault, Callable[[str], Exception]] = {
    SpawnFault.REFUSED: lambda _: exception.InstanceDeployFailure(reason="injected"),
    SpawnFault.ABORTED: lambda uuid: exception.BuildAbortException(
        instance_uuid=uuid, reason="injected"
    ),
    SpawnFault.NO_RESOURCES: lambda _: exception.ComputeResourcesUnavailable(reason="injected"),
    SpawnFault.NO_NETWORK: lambda _: exception.VirtualInterfaceCreateException(),
}


class GpuDriver(fake.FakeDriver):
    """One host's hypervisor. `knobs` and `gpus` are set before Nova makes any."""

    knobs = Knobs()
    gpus = 1
    # Only GPUs are to be short.
    vcpus, memory_mb, local_gb = 1000, 8_000_000, 600_000

    def init_host(self, host: str) -> None:
        super().init_host(host)
        self._set_nodes([host])
        DRIVERS[host] = self

    def update_provider_tree(self, tree: Any, node: str, allocations: Any = None) -> None:
        """Tell Placement of the GPUs. A total of none is no inventory, so they are reserved."""
        super().update_provider_tree(tree, node, allocations)
        inventory = dict(tree.data(node).inventory)
        free = FREE_GPUS.get(node, self.gpus)
        inventory[GPUS] = {
            "total": self.gpus,
            "reserved": self.gpus - free,
            "min_unit": 1,
            "max_unit": self.gpus,
            "step_size": 1,
            "allocation_ratio": 1.0,
        }
        tree.update_inventory(node, inventory)

    def spawn(self, context: Any, instance: Any, *args: Any, **kwargs: Any) -> None:
        time.sleep(self.knobs.boot_seconds)
        fault = self.knobs.spawn_fault
        if fault is not SpawnFault.NONE and self.knobs.takes("spawn_fault_count"):
            raise _SPAWN_FAILS[fault](instance.uuid)
        super().spawn(context, instance, *args, **kwargs)

    def snapshot(self, context: Any, instance: Any, image_id: str, update_task_state: Any) -> None:
        super().snapshot(context, instance, image_id, update_task_state)
        time.sleep(self.knobs.snapshot_seconds)
        if self.knobs.takes("snapshot_fault_count"):
            raise exception.NovaException("injected: the disk cannot be saved")

    def destroy(self, *args: Any, **kwargs: Any) -> None:
        time.sleep(self.knobs.destroy_seconds)
        if self.knobs.takes("destroy_fault_count"):
            raise exception.NovaException("injected: the server cannot be taken off the host")
        super().destroy(*args, **kwargs)


# Nova looks for its driver below nova.virt.
fake.GpuDriver = GpuDriver
