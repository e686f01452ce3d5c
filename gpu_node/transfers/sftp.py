"""Files of the main server over its SSH server: out of one folder, into another.

Each file has a login of its own, so nothing is kept open while a job is worked on, and a broken
line is simply left. A file that is sent gets its name when it is whole; whether it is the right one
the main server looks at itself, before it counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import paramiko

from gpu_node.client import NotUnderstood, SiteAway
from gpu_node.contracts.blobs import Blob
from gpu_node.transfers.basics import Body, Coming, Damaged, Missing
from gpu_node.transfers.sftp_login import SftpAccess, line_trouble, logged_in
from gpu_node.transfers.sftp_resume import CHUNK_BYTES, Link, parse, resume, windows


class Sftp:
    """The main server, logged in to with this node's key."""

    def __init__(self, access: SftpAccess) -> None:
        self._access = access

    @contextmanager
    def fetch(self, url: str, blob: Blob, there: int) -> Iterator[Coming]:
        link = _link(url, blob)
        offset = resume(there, blob.size)
        with logged_in(self._access, link.host, link.port) as sftp:
            if (size := _size(sftp, link.path)) is None:
                raise Missing
            if size != blob.size:
                raise Damaged
            yield Coming(offset, _pieces(sftp, link.path, offset, size))

    def send(self, url: str, blob: Blob, body: Body) -> None:
        link = _link(url, blob)
        with logged_in(self._access, link.host, link.port) as sftp:
            offset = resume(_size(sftp, link.part), blob.size)
            body.skip(offset)
            with line_trouble():
                # Not to be appended to: what a resumed file holds beyond the offset is replaced.
                file = sftp.open(link.part, "r+b" if offset else "wb", bufsize=0)
                file.seek(offset)
                file.set_pipelined(True)
            while piece := body.read(CHUNK_BYTES):
                with line_trouble():
                    file.write(piece)
            with line_trouble():
                # Waits until the server has answered all of it; what was answered with an error
                # is missing from the size, or found out by the digest.
                file.close()
            if _size(sftp, link.part) != blob.size:
                raise SiteAway("The main server did not write down all of a file.")
            with line_trouble():
                sftp.posix_rename(link.part, link.path)


def _link(url: str, blob: Blob) -> Link:
    link = parse(url, blob.digest)
    if link is None:
        raise NotUnderstood("The main server gave a link that does not lead to a file of a job.")
    return link


def _size(sftp: paramiko.SFTPClient, path: str) -> int | None:
    """Of a file there; None when there is none."""
    with line_trouble():
        try:
            return sftp.stat(path).st_size
        except FileNotFoundError:
            return None


def _pieces(sftp: paramiko.SFTPClient, path: str, offset: int, size: int) -> Iterator[bytes]:
    with line_trouble():
        file = sftp.open(path, "rb", bufsize=0)
        for window in windows(offset, size):
            for (_, length), piece in zip(window, file.readv(window), strict=True):
                if len(piece) != length:
                    raise SiteAway("The main server broke off a download.")
                yield piece
