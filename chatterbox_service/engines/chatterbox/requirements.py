"""What has to be there before anything is loaded, and the sentence for each thing that is not."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from chatterbox_service.engines.chatterbox.facts import RELEASE, Release
from chatterbox_service.engines.chatterbox.options import Device
from chatterbox_service.ports import EngineFault

_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_SEGMENTER = "spacy_pkuseg"
_SEGMENTER_MODEL = "spacy_ontonotes"


def go_offline() -> None:
    """Nothing is fetched while the service runs, whoever has imported the hub before."""
    for name in _OFFLINE:
        os.environ[name] = "1"
    # The hub reads its variable once, when it is imported.
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None:
        vars(constants)["HF_HUB_OFFLINE"] = True


def torch_module() -> Any:
    """Raises EngineFault."""
    try:
        import torch
    except ImportError as error:
        raise EngineFault(
            "PyTorch is not installed: install the service with its extra `chatterbox`."
        ) from error
    return torch


def installed_release() -> None:
    """That exactly the release is there whose inner parts we use. Raises EngineFault."""
    try:
        found = metadata.version("chatterbox-tts")
    except metadata.PackageNotFoundError:
        raise EngineFault(
            "chatterbox-tts is not installed: install the service with its extra `chatterbox`."
        ) from None
    if found != RELEASE:
        raise EngineFault(f"chatterbox-tts is {found}, and {RELEASE} is needed: install that one.")


def usable(device: Device, torch: Any) -> None:
    """That the device is there and this PyTorch was built for it. Raises EngineFault."""
    if device is Device.CPU:
        return
    if not torch.cuda.is_available():
        raise EngineFault(
            "There is no GPU that PyTorch can use: look at `nvidia-smi` and at the driver."
        )
    capability = torch.cuda.get_device_capability(0)
    if not built_for(capability, torch.cuda.get_arch_list()):
        raise EngineFault(
            f"The {torch.cuda.get_device_name(0)} is of generation "
            f"sm_{capability[0]}{capability[1]}, which this PyTorch was not built for: install a "
            "newer one (Blackwell needs a build for CUDA 12.8) and then chatterbox-tts without its "
            "dependencies."
        )


def built_for(capability: tuple[int, int], architectures: Sequence[str]) -> bool:
    """Whether a build runs on a GPU of this generation.

    Machine code ("sm_86") runs on its own generation from its number on; intermediate code
    ("compute_90") on everything from there.
    """
    major, minor = capability
    for name in architectures:
        kind, _, digits = name.partition("_")
        number = "".join(filter(str.isdigit, digits))
        if len(number) < 2:
            continue
        built = int(number[:-1]), int(number[-1])
        if kind == "compute" and built <= capability:
            return True
        # A name such as sm_90a is of one generation's very own parts.
        same = built[0] == major and built[1] <= minor
        if kind == "sm" and same and (digits == number or built == capability):
            return True
    return False


def watermarker() -> None:
    """That Perth's is really there: where it fails to import, upstream has None. EngineFault."""
    import perth

    if getattr(perth, "PerthImplicitWatermarker", None) is None:
        raise EngineFault(
            "The watermarker cannot be imported, so nothing may be spoken: install setuptools "
            "below 81 and resemble-perth."
        )


def weights(release: Release, folder: Path | None) -> Path:
    """The folder with an edition's files, never fetched here. Raises EngineFault."""
    found = folder or _cached(release)
    missing = [name for name in release.weights if not (found / name).is_file()]
    if missing:
        raise EngineFault(
            f"The weights are not complete: {', '.join(missing)} of {release.repository} "
            "has to lie in the folder that is set."
        )
    return found


def _cached(release: Release) -> Path:
    try:
        hub = importlib.import_module("huggingface_hub")
        return Path(hub.snapshot_download(release.repository, local_files_only=True))
    except Exception as error:
        raise EngineFault(
            f"The weights of {release.repository} are not on this machine: fetch them beforehand, "
            "or set the folder that they lie in."
        ) from error


@contextmanager
def segmenter_at_hand() -> Iterator[None]:
    """The Chinese segmenter fetches its model where it is missing, and fails the whole load.

    Without its model it is hidden for as long: then Chinese alone is unready.
    """
    home = Path(os.environ.get("PKUSEG_HOME", "~/.pkuseg")).expanduser()
    if (home / _SEGMENTER_MODEL).is_dir():
        yield
        return
    before: ModuleType | None = sys.modules.get(_SEGMENTER)
    modules: dict[str, Any] = sys.modules
    modules[_SEGMENTER] = None
    try:
        yield
    finally:
        if before is None:
            del modules[_SEGMENTER]
        else:
            modules[_SEGMENTER] = before
