"""Which speech service is asked, from the environment."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.contracts.settings import SettingError, Settings, load
from gpu_node.engines.tts.asking import Address


def _url(value: str) -> str:
    Address.parse(value)
    return value


class SpeechSettings(Settings):
    """See docs/settings.md."""

    speech_url: Annotated[str, AfterValidator(_url)] | None = None
    """Where a speech service runs; none: each dub starts one of its own."""
    speech_token: SecretStr | None = None
    """What it wants to be shown, if anything."""

    @property
    def address(self) -> Address | None:
        """The service that is named, if one is."""
        if self.speech_url is None:
            return None
        token = "" if self.speech_token is None else self.speech_token.get_secret_value()
        return Address.parse(self.speech_url, token)


def speech_settings() -> SpeechSettings:
    """The settings of this process, as they are now. Raises DubfleetError(ENGINE_FAILED)."""
    try:
        return load(SpeechSettings, os.environ)
    except SettingError as error:
        raise DubfleetError(Reason.ENGINE_FAILED, str(error)) from None
