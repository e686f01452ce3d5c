"""What the main server can be told from the environment. See docs/settings.md."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, SecretStr

from gpu_node.contracts.settings import SettingError, Settings, Words, load

_SHORTEST_KEY = 32


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise ValueError("write it like https://campus.example.org, without a path")
    return value.rstrip("/")


def _pairs(value: tuple[str, ...]) -> tuple[str, ...]:
    for pair in value:
        source, arrow, target = pair.partition(":")
        if not (source and arrow and target) or ":" in target:
            raise ValueError("write pairs of languages with commas, such as en:es,es:en")
    return value


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < _SHORTEST_KEY:
        raise ValueError(f"it needs {_SHORTEST_KEY} random characters or more")
    return value


def _long_enough_or_none(value: SecretStr) -> SecretStr:
    return _long_enough(value) if value.get_secret_value() else value


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("write a time zone such as UTC or Europe/Madrid")
    return value


class SiteSettings(Settings):
    """The web site's settings; the fleet's are in `orchestrator.settings`."""

    secret_key: Annotated[SecretStr, AfterValidator(_long_enough)]
    debug: bool = False
    site_url: Annotated[str, AfterValidator(_web_address)] = "http://127.0.0.1:8000"
    allowed_hosts: Words = ()
    """Host names besides the one in SITE_URL and this machine itself."""
    behind_proxy: bool = False
    """A proxy of ours stands in front and sets X-Forwarded-For and X-Forwarded-Proto."""
    hsts_seconds: int = Field(default=3600, ge=0)
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"

    var_folder: str = "var"
    host_folder: str = ""
    """Where the embedded video host keeps what is published; empty: VAR_FOLDER/host."""
    database_url: SecretStr = SecretStr("")
    """sqlite:///path or postgresql://…; empty: VAR_FOLDER/campus.sqlite3."""
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")

    email_host: str = ""
    """Empty: messages are written as files to VAR_FOLDER/mail."""
    email_port: int = Field(default=587, ge=1, le=65535)
    email_host_user: str = ""
    email_host_password: SecretStr = SecretStr("")
    email_use_tls: bool = True
    email_from: str = "campus@localhost"

    upload_max_bytes: int = Field(default=5_000_000_000, gt=0)
    voiceover_languages: Annotated[Words, AfterValidator(_pairs)] = ("en:es", "es:en")
    """What can be translated, source:target. A lesson's own target subtitles widen it."""
    voiceover_recognises: Words = ("en",)
    """Languages whose speech is understood without subtitles."""

    host_processing_seconds: float = Field(default=5.0, ge=0)
    """How long the embedded video host takes over a video, as real hosts do."""
    publishing_tick_seconds: float = Field(default=10.0, gt=0)
    notification_tick_seconds: float = Field(default=10.0, gt=0)
    metrics_token: Annotated[SecretStr, AfterValidator(_long_enough_or_none)] = SecretStr("")
    """Shown by who reads /ops/metrics; empty: only this machine may."""
    session_hours: float = Field(default=12.0, gt=0)

    @property
    def var(self) -> Path:
        return Path(self.var_folder).absolute()

    @property
    def hosted(self) -> Path:
        return Path(self.host_folder).absolute() if self.host_folder else self.var / "host"

    @property
    def https(self) -> bool:
        return self.site_url.startswith("https:")


@cache
def site_settings() -> SiteSettings:
    """The settings of this process. Raises SettingError."""
    return load(SiteSettings, os.environ)


def folder_for(site: SiteSettings, what: str) -> Path:
    """A folder below VAR_FOLDER, made if it is not there. Raises SettingError."""
    folder = site.var / what
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"VAR_FOLDER cannot be written to: {error.strerror}.") from None
    return folder
