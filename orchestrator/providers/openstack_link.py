"""A connection to an OpenStack, opened by one thread for itself; it never waits longer than told.

The SDK waits for ever unless told otherwise, and its limits are for one HTTP request, of which a
call may make four: log in, look at the versions, ask, turn the page. Here the limit is the call's.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from keystoneauth1 import session as auth_session
from keystoneauth1.plugin import BaseAuthPlugin
from openstack import config, connection, exceptions
from openstack.compute.v2 import _proxy as compute_proxy

from orchestrator.providers.openstack_servers import microversion

NEWEST_SPOKEN = "2.96"
"""The newest microversion that this was written against; a newer cloud is spoken to in this one."""

OLDEST = "2.1"

_SECRET_OPTIONS = ("application_credential_secret", "password", "passcode", "token", "access_token")


class TimedHttp(requests.Session):
    """HTTP that gives each request what is left of its call's time. It repeats nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._until: float | None = None

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """All requests in the block have so long together."""
        self._until = time.monotonic() + seconds
        try:
            yield
        finally:
            self._until = None

    def left(self) -> float:
        """Seconds. Outside of `within` there is no time at all: nothing may wait for ever."""
        return 0.0 if self._until is None else self._until - time.monotonic()

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send, for as long as there is time. Raises requests.Timeout."""
        left = self.left()
        if left <= 0:
            raise requests.Timeout("the time for this call is over")
        return super().send(request, **{**kwargs, "timeout": left})


class _Session(auth_session.Session):
    """The login's session, over our HTTP. The SDK makes it, and passes on what clouds.yaml says."""

    def __init__(self, **options: Any) -> None:
        self.timed = TimedHttp()
        super().__init__(**{**options, "session": self.timed})


@dataclass(frozen=True, slots=True)
class Link:
    """An open connection. Not to be shared between threads, nor carried over a fork."""

    cloud: connection.Connection
    http: TimedHttp
    login: BaseAuthPlugin
    version: str
    """The microversion spoken."""
    secrets: tuple[str, ...]
    """What must stand in no log."""

    @property
    def compute(self) -> compute_proxy.Proxy:
        """Nova."""
        return self.cloud.compute

    def log_in(self) -> None:
        """Have a token that is good, so that the next request is only itself."""
        self.cloud.session.get_token()

    def roles(self) -> frozenset[str]:
        """What the credential may be in its project."""
        access = getattr(self.login, "get_access", None)
        return frozenset(access(self.cloud.session).role_names or ()) if access else frozenset()


def configured(name: str) -> tuple[config.cloud_region.CloudRegion, tuple[str, ...]]:
    """The entry of clouds.yaml, and its secrets. Raises ConfigException and the login's own."""
    known = config.OpenStackConfig(app_name="dubfleet", session_constructor=_Session)
    region = known.get_one(cloud=name)
    given = region.config.get("auth") or {}
    secrets = tuple(str(given[key]) for key in _SECRET_OPTIONS if given.get(key))
    return region, secrets


def open_link(
    region: config.cloud_region.CloudRegion, secrets: tuple[str, ...], seconds: float
) -> Link:
    """Log in and look which versions the cloud speaks. Raises the SDK's exceptions."""
    session = region.get_session()
    assert isinstance(session, _Session)  # noqa: S101  `configured` made it so
    with session.timed.within(seconds):
        session.get_token()
        cloud = connection.Connection(config=region, session=session)
        version = _negotiated(cloud)
    login = region.get_auth()
    assert login is not None  # noqa: S101  a token was just had from it
    # The SDK's own calls keep to it too.
    cloud.compute.default_microversion = version
    return Link(cloud, session.timed, login, version, secrets)


def _negotiated(cloud: connection.Connection) -> str:
    """The newest microversion that both sides speak, or the one that clouds.yaml asks for."""
    compute = cloud.compute
    if compute.default_microversion:
        return str(compute.default_microversion)
    found = compute.get_endpoint_data()
    newest = found.max_microversion if found else None
    if not newest:
        # An old cloud, or one whose answer the SDK did not get: it does not tell the two apart.
        answer = compute.get("/")
        exceptions.raise_from_response(answer)
        newest = microversion(_newest(answer))
    return NEWEST_SPOKEN if tuple(newest) > microversion(NEWEST_SPOKEN) else _text(newest)


def _newest(answer: requests.Response) -> str:
    """What the root of Nova's API says. Raises ValueError when that is not what answered."""
    said = answer.json()
    if not isinstance(said, dict) or not isinstance(said.get("version"), dict):
        raise ValueError("the address of the servers' API answers with something else")
    # Empty in a Nova that is older than microversions.
    return str(said["version"].get("version") or OLDEST)


def _text(version: Iterable[float]) -> str:
    return ".".join(str(part) for part in version)
