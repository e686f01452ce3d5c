"""The kinds of job that a node does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_node.kinds.dub import DUB
from gpu_node.kinds.kind import Kind

KINDS: Mapping[str, Kind[Any]] = {kind.name: kind for kind in (DUB,)}
