"""What a loopback cloud is told when it starts, and what everybody knows of it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

PROJECT = "6f70656e737461636b20342065766572"
"""Nova's network fixture keeps its networks in this project, so it has to be the fleet's."""

REGION = "RegionOne"
IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"
"""An image of Nova's image fixture."""

NETWORK = "3cb9bc59-5699-4588-a4b1-b87f96708bc6"
"""A network of Nova's network fixture."""

HOSTS = ("host1", "host2")
GPUS = "CUSTOM_GPU"
FLAVOURS = {"gpu1": 1, "gpu2": 2}
"""Flavours by id, and the GPUs that each takes."""


@dataclass(frozen=True)
class Credential:
    """An application credential, and the roles it was given."""

    id: str
    secret: str
    roles: tuple[str, ...]


MEMBER = Credential("a" * 32, "the-members-secret", ("member", "reader"))
READER = Credential("b" * 32, "the-readers-secret", ("reader",))
ADMIN_PASSWORD = "the-admins-password"  # noqa: S105  it guards a cloud that lives for a test run


@dataclass(frozen=True)
class Options:
    """Where the cloud listens and keeps its files. All ports are on 127.0.0.1."""

    folder: str
    nova: int
    keystone: int
    control: int
    placement: int
    gpus_per_host: int = 2
    quota: int = 6
    """Servers in the fleet's project; a shelved one counts."""
    token_seconds: int = 3600

    @property
    def keystone_url(self) -> str:
        return f"http://127.0.0.1:{self.keystone}/v3"

    @property
    def nova_url(self) -> str:
        return f"http://127.0.0.1:{self.nova}/v2.1"

    @property
    def placement_url(self) -> str:
        return f"http://127.0.0.1:{self.placement}"

    def file(self, name: str) -> Path:
        return Path(self.folder) / name

    def text(self) -> str:
        return json.dumps(dataclasses.asdict(self))


def read(text: str) -> Options:
    """What `Options.text` wrote."""
    return Options(**json.loads(text))


def application(options: Options, credential_id: str, secret: str, more: str = "") -> str:
    """An entry of clouds.yaml with an application credential. `more`: further lines of it."""
    return _entry(
        options,
        "v3applicationcredential",
        f"""
      application_credential_id: {credential_id}
      application_credential_secret: {secret}""",
        more,
    )


def administrator(options: Options) -> str:
    """The entry of clouds.yaml of somebody who may do everything in the fleet's project."""
    return _entry(
        options,
        "password",
        f"""
      username: admin
      password: {ADMIN_PASSWORD}
      user_domain_id: default
      project_id: {PROJECT}""",
    )


def clouds_yaml(entries: dict[str, str]) -> str:
    """The file, from its entries by name."""
    named = "".join(f"  {name}:{entry}" for name, entry in entries.items())
    return f"clouds:\n{named}"


def _entry(options: Options, auth_type: str, auth: str, more: str = "") -> str:
    return f"""
    auth_type: {auth_type}
    auth:
      auth_url: {options.keystone_url}{auth}
    region_name: {REGION}
    interface: public
    identity_api_version: 3
{more}"""
