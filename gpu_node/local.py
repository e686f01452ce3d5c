"""One dub on this machine, from a file to a file: what the command line does."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gpu_node import runner, workspace
from gpu_node.artefacts import Store, digest_file, digest_of
from gpu_node.contracts.dub import DubOutput, DubReport
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.jobs import DubPayload
from gpu_node.cost import Cost, peak_memory_mb
from gpu_node.kinds import dub
from gpu_node.media import probe
from gpu_node.stages import ingest


@dataclass(frozen=True, slots=True)
class Request:
    """Files in, files out, and what to do."""

    lesson: Path
    output: Path
    payload: DubPayload
    subtitles: Path | None = None
    target_subtitles: Path | None = None
    report: Path | None = None
    work: Path | None = None


def run(
    request: Request,
    *,
    observer: runner.Observer | None = None,
    stop: threading.Event | None = None,
) -> DubReport:
    """Dub one lesson. Raises DubfleetError; then no output was written."""
    began = time.monotonic()
    payload = dub.standard(request.payload)
    refuse_early(request, payload, stop)
    inputs = _inputs(request)
    digests = {name: digest_file(path, stop) for name, path in inputs.items()}
    key = digest_of({"payload": payload.model_dump(mode="json"), "inputs": digests})
    with workspace.store_at(request.work, key) as store:
        blobs = {name: store.adopt(path, digests[name]) for name, path in inputs.items()}
        with dub.open_dub(payload, blobs, store, stop) as opened:
            result = runner.run_graph(opened.graph, store, observer=observer, stop=stop)
            delivery = opened.deliver(result, Cost(time.monotonic() - began, peak_memory_mb()))
        workspace.deliver(_deliverables(request, payload, store, delivery), stop)
    return delivery.result


def refuse_early(
    request: Request, payload: DubPayload, stop: threading.Event | None = None
) -> None:
    """Everything that can be refused without reading the whole lesson, cheapest first."""
    info = probe.probe(request.lesson, stop)
    ingest.require_lesson(info)
    ingest.choose_track(info.audio, dub.track_choice(payload))
    for what, path in (
        ("--subtitles", request.subtitles),
        ("--target-subtitles", request.target_subtitles),
    ):
        if path is not None and not path.is_file():
            raise DubfleetError(
                Reason.SUBTITLES_MISSING,
                f"There is no file for {what}: check its name and folder.",
            )
    _refuse_outputs(request, payload)


def _refuse_outputs(request: Request, payload: DubPayload) -> None:
    """No file that is written may be one that was given, nor another that is written."""
    taken = dict(_described_inputs(request))
    workspace.require_output(request.output, taken)
    taken["output video"] = request.output
    for language in (payload.target_language, payload.source_language):
        subtitles = beside(request.output, language)
        workspace.require_writable(subtitles, taken, "-o")
        taken[f"{language} subtitles beside the output"] = subtitles
    if request.report is not None:
        workspace.require_writable(request.report, taken, "--report")


def beside(output: Path, language: str) -> Path:
    """The WebVTT file of a language, next to the video: lesson.mp4 → lesson.es.vtt."""
    return output.with_name(f"{output.stem}.{language}.vtt")


def _inputs(request: Request) -> Mapping[str, Path]:
    named = {
        dub.LESSON: request.lesson,
        dub.SUBTITLES: request.subtitles,
        dub.TARGET_SUBTITLES: request.target_subtitles,
    }
    return {name: path for name, path in named.items() if path is not None}


def _described_inputs(request: Request) -> Mapping[str, Path]:
    words: Mapping[str, str] = {
        dub.LESSON: "lesson",
        dub.SUBTITLES: "subtitles file",
        dub.TARGET_SUBTITLES: "target subtitles file",
    }
    return {words[name]: path for name, path in _inputs(request).items()}


def _deliverables(
    request: Request, payload: DubPayload, store: Store, delivery: dub.DubDelivery
) -> Mapping[Path, Path | bytes]:
    """Where each file of the dub goes; what has no place here is not written."""
    places = {
        DubOutput.VIDEO: request.output,
        DubOutput.TARGET_VTT: beside(request.output, payload.target_language),
        DubOutput.SOURCE_VTT: beside(request.output, payload.source_language),
    }
    files: dict[Path, Path | bytes] = {
        place: store.path(delivery.outputs[name])
        for name, place in places.items()
        if name in delivery.outputs
    }
    if request.report is not None:
        files[request.report] = delivery.result.model_dump_json(indent=2).encode()
    return files
