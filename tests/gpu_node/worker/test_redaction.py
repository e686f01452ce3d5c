"""Nothing secret reaches a log."""

from __future__ import annotations

import logging

import pytest

from gpu_node.redaction import redact, redact_http_logs

SIGNED = "https://site.example/blobs/ab12?u=r&n=5&e=1&s=0badcafe"


@pytest.mark.parametrize(
    "text",
    [
        f"GET {SIGNED} failed",
        f"HTTPSConnectionPool(host='site.example', port=443): Max retries exceeded with url: "
        f"{SIGNED.removeprefix('https://site.example')} (Caused by ReadTimeoutError)",
        f"Failed to parse headers (url={SIGNED}): oops",
        "redis://user:0badcafe@10.0.0.1:6379/0 refused",
        "rediss://gpu-1:pa@0badcafe@host/0 refused",
        "redis://gpu-1:ab/0badcafe@host refused",
        "redis://gpu-1:0badcafe?x=y@host refused",
        "redis://gpu-1:ab?x=0badcafe@host/0?ssl=1 refused",
        "https://site.example/blobs/ab12?u=r@b&s=0badcafe",
        "{'Authorization': 'Bearer 0badcafe'}",
        "authorization: bearer 0badcafe",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    assert "0badcafe" in text
    assert "0badcafe" not in redact(text)


def test_what_helps_is_left() -> None:
    assert redact(f"GET {SIGNED} failed") == (
        "GET https://site.example/blobs/ab12?(removed) failed"
    )
    assert redact("Why? Because x=1.") == "Why? Because x=1."
    assert redact("redis://gpu-1:0badcafe@host/0 of ops@site.example") == (
        "redis://(removed)@host/0 of ops@site.example"
    )


def test_known_secrets_are_taken_out_wherever_they_are() -> None:
    assert redact("token s3cr3t-t0ken!", ["s3cr3t-t0ken"]) == "token (removed)!"
    # A short word would be struck out of ordinary text.
    assert redact("the cat", ["cat", ""]) == "the cat"


def test_the_http_libraries_do_not_log_signatures(caplog: pytest.LogCaptureFixture) -> None:
    redact_http_logs()
    redact_http_logs()
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("urllib3.connectionpool").warning("Retrying %s", SIGNED)
    assert "0badcafe" not in caplog.text
    assert "Retrying" in caplog.text
