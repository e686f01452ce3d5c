"""Servers are put into the care of the guards: a mark on them that the guards know them by.

The dead-man's switch picks servers by their metadata alone. Those that the settings name are given
it here, once they are awake: the cloud takes none while they sleep.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from gpu_node.contracts.pulse import DEFAULT_TAG, HOLD_METADATA, NODE_METADATA
from orchestrator.errands import Errand, Then
from orchestrator.models import Node
from orchestrator.providers.port import CloudError, ServerFacts
from orchestrator.states import CloudStatus, Wanted

log = logging.getLogger(__name__)

Mark = Callable[[str, Mapping[str, str]], None]
"""Write metadata on a server (its id). Raises CloudError."""


HELD_BY_OPERATOR = "by an operator"


def missing(server: ServerFacts, node: str, tag: str, *, held: bool) -> Mapping[str, str]:
    """What is still to be written on a node's server. `tag`: key=value, or nothing. Pure.

    A hold that a person has written there by hand stays; only our own is taken back, and a mark
    cannot be removed in one call with the others: an empty one means none.
    """
    key, _, value = (tag or DEFAULT_TAG).partition("=")
    wanted = {key.strip(): value.strip(), NODE_METADATA: node}
    hold = server.metadata.get(HOLD_METADATA, "")
    if held and not hold.strip():
        wanted[HOLD_METADATA] = HELD_BY_OPERATOR
    elif not held and hold == HELD_BY_OPERATOR:
        wanted[HOLD_METADATA] = ""
    return {key: value for key, value in wanted.items() if server.metadata.get(key) != value}


def errands(mark: Mark, servers: Iterable[ServerFacts], tag: str) -> Iterator[Errand]:
    """Mark those that run and are not marked yet."""
    awake = {
        server.server_id: server
        for server in servers
        if server.status is CloudStatus.ACTIVE and not server.task_state and not server.locked
    }
    named = Node.objects.filter(server_id__in=list(awake))
    for name, server_id, wanted in named.values_list("name", "server_id", "wanted"):
        if said := missing(awake[server_id], name, tag, held=wanted == Wanted.HELD):
            yield Errand(partial(_ask, mark, server_id, name, said))


def _ask(mark: Mark, server_id: str, name: str, said: Mapping[str, str]) -> Then:
    try:
        mark(server_id, said)
    except CloudError as error:
        log.info("%s was not put into the guards' care yet: %s", name, error.sentence)
    return lambda: None
