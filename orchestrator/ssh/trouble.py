"""In which ways a node cannot be worked on."""

from __future__ import annotations

from enum import StrEnum


class SshReason(StrEnum):
    """What went wrong, for programs."""

    UNREACHABLE = "unreachable"
    """Nobody answers at the address, or the line broke."""
    HOST_KEY_UNKNOWN = "host_key_unknown"
    HOST_KEY_CHANGED = "host_key_changed"
    """Somebody else answers than whom we know by that name. Nothing was said to them."""
    AUTH_REFUSED = "auth_refused"
    TIMEOUT = "timeout"
    """It took longer than allowed: to log in, or to do the command."""
    COMMAND_FAILED = "command_failed"


class SshTrouble(Exception):
    """`sentence` is for a person as it stands; `detail` may hold a program's last words."""

    def __init__(self, reason: SshReason, sentence: str, detail: str = "") -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
        self.detail = detail
