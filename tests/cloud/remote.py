"""The people of a test, inside the site's own settings.

Run by `tests.cloud.site` with the environment of a running site.
"""

from __future__ import annotations

from typing import Any

import django

django.setup()

from orchestrator import blobs, jobs  # noqa: E402  after setup()
from orchestrator.clock import DATABASE_CLOCK  # noqa: E402
from orchestrator.enrol import enrol as enrol_node  # noqa: E402
from orchestrator.models import Job, LedgerEntry, Node  # noqa: E402
from orchestrator.providers import provider  # noqa: E402
from orchestrator.settings import fleet_settings  # noqa: E402
from tests.support.count_kind import CountPayload  # noqa: E402
from tests.support.remote import obey  # noqa: E402


def check() -> list[str]:
    """What is wrong with the configuration."""
    return [one.sentence for one in provider(fleet_settings()).check()]


def enrol(name: str, token: str) -> str:
    """Make the fleet's server of this name a node; its id at the cloud."""
    [server] = [one for one in provider(fleet_settings()).list() if one.name == name]
    enrol_node(name, server.server_id, token, DATABASE_CLOCK.now())
    return server.server_id


def submit(text: str, diary: str, gate: str) -> str:
    """A text to be counted; the job's id."""
    now = DATABASE_CLOCK.now()
    order = jobs.JobOrder(
        payload=CountPayload(diary=diary, gate=gate),
        inputs={
            "text": blobs.store_stream([text.encode()], now, suffix=".txt"),
            "ignored": blobs.store_stream([b"the of"], now, suffix=".txt"),
        },
    )
    return str(jobs.submit(order, now).job.pk)


def look() -> dict[str, Any]:
    """Everything a test asks about the jobs, the nodes and the money."""
    return {
        "jobs": {
            str(job.pk): {
                "state": job.state,
                "result": job.result,
                "attempts": list(job.attempts.values_list("outcome", flat=True)),
            }
            for job in Job.objects.all()
        },
        "nodes": {
            node.name: {"cloud": node.cloud_status, "gate": node.gate, "worker": node.worker_state}
            for node in Node.objects.all()
        },
        "billed": list(
            LedgerEntry.objects.filter(ended_at=None).values_list("node__name", flat=True)
        ),
        "causes": list(LedgerEntry.objects.order_by("started_at").values_list("cause", flat=True)),
    }


if __name__ == "__main__":
    obey(check, enrol, submit, look)
