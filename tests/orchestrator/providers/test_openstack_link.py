"""No call to a cloud waits longer than it may, whoever is at the other end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from orchestrator.providers import provider
from orchestrator.providers.openstack_link import TimedHttp
from orchestrator.providers.port import CloudError, CloudErrorKind
from orchestrator.settings import FleetSettings

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Listener:
    """Takes connections and counts the requests; answers when it is told to."""

    def __init__(self, answers: bool) -> None:
        self.requests: list[bytes] = []
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self._socket.close()
        for one in self._open:
            one.close()

    def _run(self) -> None:
        while True:
            try:
                taken, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(taken)
            self.requests.append(taken.recv(65536))
            if self._answers:
                taken.sendall(ANSWER)


@pytest.fixture
def hung() -> Iterator[Listener]:
    listener = Listener(answers=False)
    yield listener
    listener.close()


@pytest.fixture
def quick() -> Iterator[Listener]:
    listener = Listener(answers=True)
    yield listener
    listener.close()


def test_a_request_has_what_is_left_of_its_calls_time(hung: Listener) -> None:
    http = TimedHttp()
    began = time.monotonic()
    with http.within(0.3):
        for _ in range(3):
            with pytest.raises(requests.Timeout):
                http.get(hung.url)
    assert 0.3 <= time.monotonic() - began < 1.0
    # When there was no time left nothing was sent any more.
    assert len(hung.requests) == 1


def test_nobody_can_ask_for_more_time(hung: Listener) -> None:
    http = TimedHttp()
    began = time.monotonic()
    with http.within(0.2), pytest.raises(requests.Timeout):
        http.get(hung.url, timeout=60)
    assert time.monotonic() - began < 1.0


def test_outside_of_a_call_nothing_is_sent(quick: Listener) -> None:
    http = TimedHttp()
    with pytest.raises(requests.Timeout):
        http.get(quick.url)
    with http.within(5.0):
        assert http.get(quick.url).json() == {}
    with pytest.raises(requests.Timeout):
        http.get(quick.url)
    assert len(quick.requests) == 1


def clouds_yaml(folder: Path, auth_url: str) -> Path:
    file = folder / "clouds.yaml"
    file.write_text(
        f"""
clouds:
  fleet:
    auth_type: v3applicationcredential
    auth:
      auth_url: {auth_url}
      application_credential_id: abc
      application_credential_secret: the-secret
    region_name: one
"""
    )
    return file


def test_a_cloud_that_hangs_is_given_up_after_the_time_of_a_call(
    hung: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds_yaml(tmp_path, hung.url)))
    settings = FleetSettings.model_validate(
        {
            "fleet_provider": "openstack",
            "fleet_cloud": "fleet",
            "fleet_servers": "gpu-1",
            "fleet_call_seconds": 0.5,
        }
    )
    cloud = provider(settings)
    assert provider(settings) is cloud
    began = time.monotonic()
    with pytest.raises(CloudError) as refusal:
        cloud.list()
    assert time.monotonic() - began < 2.0
    assert refusal.value.kind is CloudErrorKind.TRANSIENT
    assert "the-secret" not in f"{refusal.value} {refusal.value.detail}"


def test_an_entry_that_is_not_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds_yaml(tmp_path, "http://127.0.0.1:9")))
    settings = FleetSettings.model_validate(
        {"fleet_provider": "openstack", "fleet_cloud": "nobody", "fleet_servers": "gpu-1"}
    )
    cloud = provider(settings)
    with pytest.raises(CloudError) as refusal:
        cloud.unshelve("gpu-1")
    assert refusal.value.kind is CloudErrorKind.FATAL
    [complaint] = cloud.check()
    assert complaint.blocking
    assert "nobody" in complaint.sentence
