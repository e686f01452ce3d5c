"""A job's progress as lines of text, one for each stage that has ended."""

from __future__ import annotations

from orchestrator.models import Job


def progress_lines(job: Job) -> list[str]:
    """What is finished so far, in the order of the stages."""
    return [
        f"{str(stage['stage']).capitalize()} is done{_items(stage)}."
        for stage in job.stages
        if stage.get("finished")
    ]


def _items(stage: dict[str, object]) -> str:
    total = stage.get("total")
    return f" ({total:.0f} lines)" if isinstance(total, float | int) and total > 1 else ""
