"""Files by content."""

from __future__ import annotations

from pydantic import Field

from gpu_node.contracts.base import Contract, Digest


class Blob(Contract):
    """A file named by what is in it. `suffix` (".wav") only helps programs that look at names."""

    digest: Digest
    size: int = Field(ge=0)
    suffix: str = Field(default="", pattern=r"^(\.[a-z0-9]{1,8})?$")
