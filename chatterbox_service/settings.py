"""What can be set: variables `TTS_...`. A wrong value stops the program, in one sentence."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_MEBIBYTE = 1024 * 1024
_GIBIBYTE = 1024 * _MEBIBYTE


class EngineName(StrEnum):
    """Whoever speaks."""

    CHATTERBOX = "chatterbox"
    ESPEAK = "espeak"


class ModelName(StrEnum):
    """Which of Chatterbox's models."""

    MULTILINGUAL = "multilingual"
    ENGLISH = "english"
    TURBO = "turbo"


class DeviceName(StrEnum):
    """Where Chatterbox and the recogniser compute."""

    CUDA = "cuda"
    CPU = "cpu"


class SettingError(Exception):
    """A setting that cannot be used; its text is one sentence for the operator."""


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""A list written with commas."""


class Settings(BaseSettings):
    """The service's settings; a field `port` is read from `TTS_PORT`."""

    model_config = SettingsConfigDict(
        env_prefix="TTS_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    engine: EngineName = EngineName.CHATTERBOX
    host: str = "127.0.0.1"
    port: int = Field(default=8001, ge=0, le=65535)
    """0: any that is free."""

    token_file: Path | None = None
    """Names a file with the bearer token that clients have to send; none: nobody is asked."""

    model: ModelName = ModelName.MULTILINGUAL
    model_folder: Path | None = None
    """Where the weights lie; none: where the model hub's own cache is, offline."""
    device: DeviceName = DeviceName.CUDA
    half: bool = True
    """Whether a GPU computes with 16 bits."""
    gpu_bytes: int = Field(default=8 * _GIBIBYTE, ge=_GIBIBYTE)
    """The most memory of the GPU that this process may take."""

    recogniser: str = ""
    """The faster-whisper model that checks what was said, a folder or a name; empty: none."""

    queue: int = Field(default=64, ge=1, le=10_000)
    """Requests that may be there at once; more are told to come again."""
    deadline_seconds: float = Field(default=600.0, gt=0)
    """A request that is not done after so long is given up."""
    stop_seconds: float = Field(default=30.0, ge=0)
    """So long a stop waits for what is being said."""

    most_characters: int = Field(default=5_000, ge=280)
    """Of one text."""
    most_lines: int = Field(default=2_000, ge=1)
    """Of one batch."""
    most_body_bytes: int = Field(default=32 * _MEBIBYTE, ge=1024)
    """Of a request, its recording included."""

    reference_hosts: Words = ()
    """Hosts that an `audio_prompt_url` may name; see references/fetching.py. Empty: none."""
    reference_folder: Path = Path(tempfile.gettempdir()) / "dubfleet-speech"
    """Where recordings of voices are kept."""
    reference_bytes: int = Field(default=512 * _MEBIBYTE, ge=_MEBIBYTE)
    """How much of them."""
    voice_bytes: int = Field(default=256 * _MEBIBYTE, ge=_MEBIBYTE)
    """How much memory prepared voices may take."""

    lexicon_file: Path | None = None
    """A JSON object of terms and how they are said: either is taken for the other in a check."""

    @model_validator(mode="after")
    def _guarded(self) -> Settings:
        loopback = self.host in ("127.0.0.1", "::1", "localhost")
        if not loopback and self.token_file is None:
            raise ValueError("with a host that others can reach, TTS_TOKEN_FILE has to be set")
        return self

    def token(self) -> SecretStr | None:
        """Raises SettingError."""
        if self.token_file is None:
            return None
        try:
            token = self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise SettingError(f"TTS_TOKEN_FILE names a file that cannot be read: {why}.") from None
        if len(token) < _SHORTEST_TOKEN or not token.isascii():
            raise SettingError(
                f"TTS_TOKEN_FILE has to hold at least {_SHORTEST_TOKEN} ASCII characters."
            )
        return SecretStr(token)


_SHORTEST_TOKEN = 16


def load() -> Settings:
    """From the environment. Raises SettingError."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    message = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    if not first["loc"]:
        return f"The settings do not go together: {message}."
    return f"TTS_{str(first['loc'][0]).upper()} is wrong: {message[:1].lower()}{message[1:]}."
