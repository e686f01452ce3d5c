"""What a node looks at before it says that it is ready, and now and then while it is.

Each check answers with a sentence about what is wrong, or with nothing. None of them changes
anything, and none takes longer than a few seconds.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import partial
from pathlib import Path

import requests

from gpu_node.contracts.node_api import GpuFacts

Check = Callable[[], str]

_TIMEOUT = (2.0, 3.0)


class Need(StrEnum):
    """What a node's engines cannot do without, besides themselves."""

    GPU = "gpu"
    OLLAMA = "ollama"
    CHATTERBOX = "chatterbox"


@dataclass(frozen=True, slots=True)
class Wants:
    """What is looked at on this machine. `least_free`: bytes on the disk of `folder`."""

    needs: frozenset[Need]
    folder: Path
    least_free: int
    site_url: str
    most_skew: timedelta
    ollama_url: str
    ollama_model: str
    chatterbox_url: str


def checks(
    wants: Wants, gpu: Callable[[], GpuFacts | None], now: Callable[[], datetime]
) -> tuple[Check, ...]:
    """The checks for these wants, the quickest first. `now` is aware."""
    found: list[Check] = [
        partial(disk, wants.folder, wants.least_free),
        partial(clock, wants.site_url, wants.most_skew, now),
    ]
    if Need.GPU in wants.needs:
        found.append(lambda: card(gpu()))
    if Need.OLLAMA in wants.needs:
        found.append(partial(ollama, wants.ollama_url, wants.ollama_model))
    if Need.CHATTERBOX in wants.needs:
        found.append(partial(chatterbox, wants.chatterbox_url))
    return tuple(found)


def first_fault(all_checks: Iterable[Check]) -> str:
    """What is wrong, in a sentence; empty when all is well."""
    return next((fault for check in all_checks if (fault := check())), "")


def disk(folder: Path, least_free: int) -> str:
    """Whether there is room for a job."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"The work folder cannot be used: {error.strerror}."
    if free >= least_free:
        return ""
    short, wanted = f"{free / 1e9:.1f}", f"{least_free / 1e9:.1f}"
    return f"Only {short} GB are free on the node's disk; a job may need {wanted}."


def clock(site_url: str, most_skew: timedelta, now: Callable[[], datetime]) -> str:
    """Whether this machine's clock agrees with the main server's. One that is away says nothing.

    A server that was asleep may come back with the time at which it fell asleep, and then trusts
    no certificate, and none of its logs.
    """
    try:
        said = requests.head(f"{site_url}/healthz", timeout=_TIMEOUT).headers.get("Date", "")
        there = parsedate_to_datetime(said)
    except (requests.RequestException, ValueError):
        return ""
    if there.tzinfo is None:
        return ""
    skew = now() - there
    if abs(skew) <= most_skew:
        return ""
    ahead = "ahead of" if skew > timedelta() else "behind"
    return f"The node's clock is {abs(skew).total_seconds():.0f} s {ahead} the main server's."


def card(facts: GpuFacts | None) -> str:
    """Whether the graphics card is there and its driver answers."""
    return "" if facts is not None else "The graphics card does not answer: see nvidia-smi."


def ollama(url: str, model: str) -> str:
    """Whether Ollama answers and has the model."""
    try:
        answer = requests.get(f"{url}/api/tags", timeout=_TIMEOUT)
        answer.raise_for_status()
        names = {str(one["name"]) for one in answer.json()["models"]}
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return "Ollama does not answer."
    # A name without a tag means its latest.
    wanted = model if ":" in model else f"{model}:latest"
    return "" if wanted in names else f"Ollama does not have the model {model}: pull it."


def chatterbox(url: str) -> str:
    """Whether the speech service answers and has its model."""
    try:
        answer = requests.get(f"{url}/health", timeout=_TIMEOUT)
        said = answer.json()
        healthy, loaded = said["status"] == "healthy", said["model_loaded"] is True
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return "The Chatterbox service does not answer."
    if healthy and loaded:
        return ""
    return f"The Chatterbox service is not ready: {str(said['status'])[:100]}."
