"""Which transport a link asks for."""

from __future__ import annotations

from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.transfers.basics import Transport
from gpu_node.transfers.https import Https
from gpu_node.transfers.sftp import Sftp
from gpu_node.transfers.sftp_login import SftpAccess


class Ways:
    """The transports of this node. The main server chooses: it makes the links."""

    def __init__(self, sftp: SftpAccess | None = None) -> None:
        self._https = Https()
        self._sftp = Sftp(sftp) if sftp is not None else None

    def of(self, url: str) -> Transport:
        """The transport for a link. Raises DubfleetError(INTERNAL) for one that we have not."""
        if not url.startswith("sftp:"):
            return self._https
        if self._sftp is None:
            raise DubfleetError(
                Reason.INTERNAL,
                "The main server hands out files over SFTP (TRANSFER), and this node has no key "
                "for it: set SFTP_KEY_FILE and SFTP_KNOWN_HOSTS_FILE on the node.",
            )
        return self._sftp
