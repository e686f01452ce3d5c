"""The report on a dub, from what the graph gave. Pure."""

from __future__ import annotations

from gpu_node import __version__
from gpu_node.contracts.dub import DubReport, EnginesReport, StageReport, UtteranceReport
from gpu_node.contracts.jobs import DubPayload
from gpu_node.contracts.timeline import Blocker, Fit, Placement, Translation, Utterance
from gpu_node.cost import Cost
from gpu_node.engines.plan import EnginePlan
from gpu_node.graph import Outcomes
from gpu_node.runner import GraphResult


def build(payload: DubPayload, plan: EnginePlan, result: GraphResult, cost: Cost) -> DubReport:
    values = result.values
    fit: Fit = values["fit"]
    translated: Outcomes[Translation] = values["translate"]
    placed = {p.id: p for p in fit.items}
    blocked = {b.id: b for b in fit.blockers}
    media = values["media"]
    return DubReport(
        program_version=__version__,
        source_language=payload.source_language,
        target_language=payload.target_language,
        engines=EnginesReport(
            transcriber=plan.transcriber,
            translator=plan.translator,
            synthesizer=plan.synthesizer,
            separator=plan.separator,
            voice=plan.voice,
        ),
        lesson=media,
        seconds=round(cost.seconds, 3),
        real_time_factor=round(cost.seconds / media.duration, 4) if media.duration else 0.0,
        peak_memory_mb=round(cost.peak_memory_mb, 1),
        stages=tuple(
            StageReport(
                stage=name,
                seconds=round(timing.wall, 3),
                tasks=timing.tasks,
                reused=timing.reused,
            )
            for name, timing in result.timings.items()
        ),
        utterances=tuple(
            _utterance(u, translated.values.get(u.id), placed.get(u.id), blocked.get(u.id))
            for u in values["utterances"].items
        ),
        blockers=len(fit.blockers),
        score=values["score"],
    )


def _utterance(
    utterance: Utterance,
    translation: Translation | None,
    placement: Placement | None,
    blocker: Blocker | None,
) -> UtteranceReport:
    return UtteranceReport(
        id=utterance.id,
        start=utterance.start,
        end=utterance.end,
        source=utterance.text,
        target=translation.text if translation else None,
        placed_at=placement.start if placement else None,
        placed_until=placement.end if placement else None,
        rate=placement.rate if placement else None,
        lateness=placement.lateness if placement else None,
        blocker=blocker.reason if blocker else None,
        sentence=blocker.sentence if blocker else None,
    )
