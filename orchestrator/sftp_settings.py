"""How files travel between the main server and its nodes."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from gpu_node.contracts.settings import SettingError, Settings, load

_SERVER = re.compile(
    r"sftp://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*",
    re.ASCII,
)


def _server(value: str) -> str:
    value = value.rstrip("/")
    if value and not _SERVER.fullmatch(value):
        raise ValueError("it has to be written sftp://host:port")
    return value


class TransferSettings(Settings):
    """See docs/settings.md."""

    transfer: Literal["https", "sftp"] = "https"
    sftp_url: Annotated[str, AfterValidator(_server)] = ""
    """Where nodes reach this server's SSH server; a path only where accounts are not locked in."""
    sftp_folder: Path | None = None
    """Holds a folder for each node: what its account is locked in."""

    @model_validator(mode="after")
    def _whole(self) -> TransferSettings:
        if self.transfer == "sftp" and not (self.sftp_url and self.sftp_folder):
            raise ValueError("TRANSFER=sftp needs SFTP_URL and SFTP_FOLDER")
        return self


@cache
def transfer_settings() -> TransferSettings:
    """The settings of this process. Raises SettingError."""
    return load(TransferSettings, os.environ)


def check(settings: TransferSettings, blob_folder: Path) -> None:
    """Whether files can be shown in SFTP_FOLDER, looked at once, at start. Raises SettingError."""
    if settings.transfer == "https" or settings.sftp_folder is None:
        return
    try:
        disks = {path.stat().st_dev for path in (settings.sftp_folder, blob_folder)}
    except OSError as error:
        raise SettingError(
            f"SFTP_FOLDER or BLOB_FOLDER cannot be seen: {error.strerror}."
        ) from None
    if len(disks) > 1:
        raise SettingError("SFTP_FOLDER has to be on the same disk as BLOB_FOLDER.")
