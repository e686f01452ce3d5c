"""The log beside a failure: clean, and no failure of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ssh import FetchLog, evidence
from orchestrator.ssh.redaction import redact
from tests.orchestrator.ssh.conftest import Desk


def test_the_end_of_the_workers_log(desk: Desk) -> None:
    desk.program("journalctl", "echo '2026-11-21T12:00:00 gpu-1 worker[7]: broker is t0p-s3cret'")
    found = evidence(desk.shell(), desk.host, ["t0p-s3cret"])
    assert "dubfleet-worker.service on gpu-1" in found
    assert "broker is (removed)" in found


def test_a_log_that_cannot_be_had_is_one_line(desk: Desk) -> None:
    desk.know("")
    found = evidence(desk.shell(), desk.host)
    assert "not fetched: The SSH key of the node gpu-1" in found


def test_a_node_without_an_address_is_not_asked(desk: Desk) -> None:
    assert FetchLog(desk.shell())("gpu-1", "") == (
        "(not fetched: the address of gpu-1 is not known.)"
    )


@pytest.mark.parametrize(
    "text",
    [
        "GET https://site.test/blobs/ab12?u=r&n=5&e=1&s=0badcafe 403",
        "redis://gpu-1:0badcafe@10.0.0.1:6379/0 refused",
        "rediss://gpu-1:pa@0badcafe@host/0 refused",
        "redis://gpu-1:ab/0badcafe@host refused",
        "redis://gpu-1:0badcafe?x=y@host refused",
        "redis://gpu-1:ab?x=0badcafe@host/0?ssl=1 refused",
        "https://site.test/blobs/ab12?u=r@b&s=0badcafe",
        "Authorization: Bearer 0badcafe",
        "authorization: basic 0badcafe=",
        'NODE_TOKEN="0badcafe two words"',
        "{'password': '0badcafe'}",
        "OS_APPLICATION_CREDENTIAL_SECRET=0badcafe",
        "api_key: 0badcafe",
        "Set-Cookie: sessionid=0badcafe",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n0badcafe\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\n0badcafe\n(cut off",
        "b3BlbnNzaC\n0badcafe\n-----END OPENSSH PRIVATE KEY-----\n12:00 gpu-1 sshd: loaded",
        "0badcafe\n-----END PRIVATE KEY-----\n-----BEGIN PRIVATE KEY-----\n0badcafe\n"
        "-----END PRIVATE KEY-----\n",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    assert "0badcafe" not in redact(text)


def test_what_helps_is_left() -> None:
    said = "12:00:01 gpu-1 worker[7]: job 5f3a failed: CUDA out of memory (tried 2.1 GiB)\n\tat x"
    assert redact(said) == said
    cut = f"0badcafe\n-----END RSA PRIVATE KEY-----\n{said}"
    assert redact(cut) == f"(removed)\n{said}"


@given(st.text(), st.lists(st.text(min_size=8), max_size=3))
def test_known_secrets_are_taken_out_wherever_they_are(text: str, secrets: list[str]) -> None:
    plain = [secret for secret in secrets if secret.isalnum()]
    for secret in plain:
        assert secret not in redact(f"{text} {secret}", plain).replace("(removed)", "")
