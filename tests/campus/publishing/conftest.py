"""An approved dub, and a host to publish it on."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from campus.review import services as review
from campus.voiceovers.models import Voiceover
from orchestrator.models import Node
from tests.campus.making import asked, dubbed, now
from tests.campus.people import People
from tests.campus.publishing.hosting import TroubledHost


@pytest.fixture
def host(settings: Settings) -> TroubledHost:
    return TroubledHost(Path(settings.HOST_FOLDER))


@pytest.fixture
def approved(people: People, video: Path, node: Node) -> Voiceover:
    made = dubbed(asked(people, video), node, video)
    review.approve(made, made.job_id, people.reviewer, now())
    made.refresh_from_db()
    return made
