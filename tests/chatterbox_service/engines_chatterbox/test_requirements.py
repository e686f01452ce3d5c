"""What has to be there, and the sentence for what is not. No torch."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_service.engines.chatterbox import languages, requirements
from chatterbox_service.engines.chatterbox.engine import ChatterboxEngine
from chatterbox_service.engines.chatterbox.facts import RELEASES, Edition
from chatterbox_service.engines.chatterbox.memory import GpuMemory
from chatterbox_service.engines.chatterbox.options import Device, Options
from chatterbox_service.ports import Engine, EngineFault, Line

_TORCH_2_6 = ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"]


@pytest.mark.parametrize(
    ("capability", "runs"),
    [((8, 0), True), ((8, 9), True), ((9, 0), True), ((10, 0), False), ((12, 0), False)],
)
def test_the_pinned_torch_runs_on_hopper_and_not_on_blackwell(
    capability: tuple[int, int], runs: bool
) -> None:
    assert requirements.built_for(capability, _TORCH_2_6) is runs


def test_intermediate_code_runs_on_what_comes_later() -> None:
    assert requirements.built_for((12, 0), ["sm_90", "compute_90"])
    assert not requirements.built_for((8, 0), ["compute_90"])
    assert not requirements.built_for((9, 1), ["sm_90a"])
    assert requirements.built_for((9, 0), ["sm_90a"])


@given(st.integers(3, 20), st.integers(0, 9))
def test_a_build_for_a_generation_runs_on_it(major: int, minor: int) -> None:
    assert requirements.built_for((major, minor), [f"sm_{major}{minor}"])
    assert not requirements.built_for((major + 1, minor), [f"sm_{major}{minor}"])


def _torch(*, there: bool, capability: tuple[int, int] = (12, 0)) -> Any:
    return SimpleNamespace(
        cuda=SimpleNamespace(
            is_available=lambda: there,
            get_device_capability=lambda _: capability,
            get_arch_list=lambda: _TORCH_2_6,
            get_device_name=lambda _: "RTX 5090",
        )
    )


def test_a_missing_gpu_and_one_too_new_are_said() -> None:
    with pytest.raises(EngineFault, match="no GPU"):
        requirements.usable(Device.CUDA, _torch(there=False))
    with pytest.raises(EngineFault, match=r"RTX 5090 is of generation sm_120.*Blackwell"):
        requirements.usable(Device.CUDA, _torch(there=True))
    requirements.usable(Device.CUDA, _torch(there=True, capability=(9, 0)))
    requirements.usable(Device.CPU, _torch(there=False))


def test_missing_weights_are_named(tmp_path: Path) -> None:
    release = RELEASES[Edition.MULTILINGUAL]
    for name in release.weights[1:]:
        (tmp_path / name).touch()
    with pytest.raises(EngineFault, match=r"ve\.pt of ResembleAI/chatterbox"):
        requirements.weights(release, tmp_path)
    (tmp_path / "ve.pt").touch()
    assert requirements.weights(release, tmp_path) == tmp_path


def test_the_segmenter_is_hidden_while_its_model_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PKUSEG_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "spacy_pkuseg", SimpleNamespace())
    with requirements.segmenter_at_hand(), pytest.raises(ImportError):
        importlib.import_module("spacy_pkuseg")
    importlib.import_module("spacy_pkuseg")
    (tmp_path / "spacy_ontonotes").mkdir()
    with requirements.segmenter_at_hand():
        importlib.import_module("spacy_pkuseg")


def test_a_language_is_unready_for_what_it_alone_lacks() -> None:
    missing = {"russian_text_stresser.text_stresser"}
    spoken = languages.spoken(
        Edition.MULTILINGUAL, lambda name: name not in missing, chinese_ready=False
    )
    assert {code for code, language in spoken.items() if language.lacks} == {"ru", "zh"}
    assert "russian_text_stresser" in spoken["ru"].lacks
    assert len(spoken) == 23


@pytest.mark.parametrize("edition", [Edition.ENGLISH, Edition.TURBO])
def test_the_english_models_speak_english_and_need_nothing(edition: Edition) -> None:
    spoken = languages.spoken(edition, lambda _: False, chinese_ready=False)
    assert {code: language.lacks for code, language in spoken.items()} == {"en": ""}


def test_a_package_that_fails_in_any_way_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_stresser.py").write_text("raise OSError('no model')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert not languages.importable("broken_stresser")
    assert not languages.importable("there_is_no_such_package")
    assert languages.importable("json")


def test_the_engine_before_it_is_loaded() -> None:
    engine = ChatterboxEngine(Options(device=Device.CUDA))
    as_port: Engine = engine
    assert (as_port.name, as_port.sample_rate, as_port.clones) == ("chatterbox", 24_000, True)
    assert len(as_port.languages()) == 23
    assert as_port.device() == "cuda"
    assert as_port.memory_used() == 0
    with pytest.raises(EngineFault, match="has not been loaded"):
        as_port.size(Line(text="Hello.", language="en", seed=1))
    with pytest.raises(EngineFault, match="has not been loaded"):
        list(as_port.speak([Line(text="Hello.", language="en", seed=1)], lambda: False))
    as_port.close()
    as_port.close()


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is not None, reason="torch is in this environment"
)
def test_loading_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "0")
    with pytest.raises(EngineFault, match="extra `chatterbox`"):
        ChatterboxEngine().load()


class _Driver(SimpleNamespace):
    """NVML as it answers where there is a GPU."""

    NVMLError = ValueError

    def __init__(self, held: int | None, *, fails: bool = False) -> None:
        super().__init__(held=held, fails=fails, open=0)

    def nvmlInit(self) -> None:  # noqa: N802  # the driver's name
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802  # as above
        self.open -= 1

    def nvmlDeviceGetHandleByUUID(self, name: str) -> str:  # noqa: N802  # as above
        return name

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: str) -> list[Any]:  # noqa: N802  # as above
        assert gpu == "GPU-1234"
        if self.fails:
            raise self.NVMLError
        other = SimpleNamespace(pid=os.getpid() + 1, usedGpuMemory=99)
        return [other, SimpleNamespace(pid=os.getpid(), usedGpuMemory=self.held)]


@pytest.mark.parametrize(
    ("driver", "held"), [(_Driver(7), 7), (_Driver(None), 5), (_Driver(7, fails=True), 5)]
)
def test_the_memory_held_is_this_process_s(
    driver: _Driver, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    cuda = SimpleNamespace(
        get_device_properties=lambda _: SimpleNamespace(uuid="1234"), memory_reserved=lambda: 5
    )
    memory = GpuMemory(SimpleNamespace(cuda=cuda))
    assert memory.held() == held
    assert driver.open == 1
    memory.close()
    memory.close()
    assert driver.open == 0


def test_without_a_driver_torch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    memory = GpuMemory(SimpleNamespace(cuda=SimpleNamespace(memory_reserved=lambda: 5)))
    assert memory.held() == 5
