"""The benchmark runs, small and on a processor: its figures mean something on a GPU only."""

from __future__ import annotations

import json

import pytest

_WHY = "the real engine's packages are not in this environment"
pytest.importorskip("torch", reason=_WHY)
pytest.importorskip("transformers", reason=_WHY)

from chatterbox_service import bench  # noqa: E402  # after the skip
from tests.chatterbox_service.engines_chatterbox import torchaudio_shim  # noqa: E402  # as above


@pytest.mark.timeout(900)
def test_it_reports_both_sides_apart(capsys: pytest.CaptureFixture[str]) -> None:
    torchaudio_shim.install()
    sizes = ["--lines", "2", "--tokens", "8", "--text-tokens", "8", "--reference-tokens", "10"]
    assert bench.main(["--device", "cpu", "--tiny", *sizes]) == 0
    said = capsys.readouterr().out
    report = json.loads(said[said.index("{") :])
    assert report["work"]["lines"] == 2
    for side in ("ours", "upstream"):
        parts = report[side]
        assert all(parts[part] > 0 for part in ("t3", "s3gen", "watermark", "end_to_end"))
    assert report["ratio"].keys() == report["ours"].keys()


def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert bench.main([]) == 1
    assert "no GPU" in capsys.readouterr().err
