"""Links that lead over SFTP, where TRANSFER says so; otherwise the signed ones stay.

Called by the node API outside of transactions: files are linked and copied here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from gpu_node.contracts.blobs import Blob
from orchestrator.models import Attempt, JobBlob
from orchestrator.sftp_folders import NodeFolder
from orchestrator.sftp_settings import transfer_settings
from orchestrator.states import AttemptOutcome

log = logging.getLogger(__name__)


def downloads(node: str, inputs: Mapping[str, Blob], signed: Mapping[str, str]) -> dict[str, str]:
    """Where a node gets its job's inputs, by name. They are all that it can see from now on."""
    folder = _folder(node)
    if folder is None:
        return dict(signed)
    try:
        folder.show({blob.digest for blob in inputs.values()})
    except OSError as error:
        log.error("the files of %s's job cannot be shown: %s", node, os.strerror(error.errno or 0))
    return {name: _link("out", inputs[name].digest) for name in signed}


def uploads(
    node: str, wanted: Iterable[Blob], signed: Mapping[str, str], now: datetime
) -> dict[str, str]:
    """Where a node puts its results, by digest; what it has put there already is taken over, and
    needs no link any more."""
    folder = _folder(node)
    if folder is None:
        return dict(signed)
    by_digest = {blob.digest: blob for blob in wanted}
    return {
        digest: _link("in", digest) for digest in signed if not folder.adopt(by_digest[digest], now)
    }


def sweep(now: float) -> int:
    """Take away what no running job needs, and what broken uploads left; how many of those went.

    To be called every now and then: a job that has ended leaves its links until the next one.
    """
    root = transfer_settings().sftp_folder
    if root is None:
        return 0
    needed = _needed()
    removed = 0
    for entry in root.iterdir():
        folder = _known(root, entry.name)
        if folder is not None:
            folder.show(needed.get(entry.name, frozenset()))
            removed += folder.sweep(now)
    return removed


def _needed() -> Mapping[str, frozenset[str]]:
    """The digests that each node's running attempts take."""
    needed: dict[str, set[str]] = {}
    running = Attempt.objects.filter(outcome=AttemptOutcome.RUNNING)
    pairs = running.filter(job__blobs__direction=JobBlob.IN).values_list(
        "node__name", "job__blobs__blob_id"
    )
    for node, digest in pairs:
        needed.setdefault(node, set()).add(digest)
    return {node: frozenset(digests) for node, digests in needed.items()}


def _folder(node: str) -> NodeFolder | None:
    """The node's folder; None when files travel over HTTPS, also for a node that has none yet."""
    settings = transfer_settings()
    if settings.transfer == "https" or settings.sftp_folder is None:
        return None
    folder = _known(settings.sftp_folder, node)
    if folder is None:
        log.warning("the node %s has no folder in SFTP_FOLDER: it gets its files over HTTPS", node)
    return folder


def _known(root: Path, node: str) -> NodeFolder | None:
    try:
        folder = NodeFolder(root, node)
    except ValueError:
        return None
    return folder if folder.exists else None


def _link(way: str, digest: str) -> str:
    return f"{transfer_settings().sftp_url}/{way}/{digest}"
