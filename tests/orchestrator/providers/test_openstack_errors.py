"""What an OpenStack's refusals mean, one by one and whatever they are."""

from __future__ import annotations

import json

import pytest
import requests
from hypothesis import assume, given
from hypothesis import strategies as st
from keystoneauth1 import exceptions as auth
from keystoneauth1.exceptions import connection
from openstack import exceptions as sdk

from orchestrator.providers.openstack_errors import (
    DETAIL_CHARACTERS,
    cloud_error,
    without_secrets,
)
from orchestrator.providers.port import CloudError, CloudErrorKind

TRANSIENT = CloudErrorKind.TRANSIENT
AUTH = CloudErrorKind.AUTH
FATAL = CloudErrorKind.FATAL


def of_nova(status: int, said: str = "") -> sdk.HttpException:
    """What the SDK raises for Nova's answer."""
    answer = requests.Response()
    answer.status_code = status
    answer.headers["content-type"] = "application/json"
    answer.headers["x-openstack-request-id"] = "req-1"
    answer._content = json.dumps({"refusal": {"code": status, "message": said}}).encode()
    with pytest.raises(sdk.HttpException) as raised:
        sdk.raise_from_response(answer)
    return raised.value


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (400, "Invalid input for field/attribute unshelve", FATAL),
        (401, "The request you have made requires authentication.", AUTH),
        (402, "Payment required", AUTH),
        (403, "Policy doesn't allow os_compute_api:os-shelve:unshelve to be performed.", AUTH),
        (403, "Quota exceeded for instances: Requested 1, but already used 6 of 6", "quota"),
        (404, "Instance abc could not be found.", "gone"),
        (406, "Version 2.96 is not supported by the API.", FATAL),
        (409, "Cannot 'unshelve' instance abc while it is in task_state unshelving", "conflict"),
        (409, "Instance abc is locked", "locked"),
        (413, "This request was rate-limited.", TRANSIENT),
        (429, "Too many requests", TRANSIENT),
        (500, "Unexpected API Error.", TRANSIENT),
        (500, "No valid host was found. There are not enough hosts available.", "capacity"),
        (501, "Not implemented", FATAL),
        (502, "Bad gateway", TRANSIENT),
        (503, "The service is away", TRANSIENT),
        (504, "", TRANSIENT),
        (302, "", FATAL),
    ],
)
def test_novas_answers(status: int, said: str, kind: CloudErrorKind) -> None:
    error = sdk.HttpException(details=said) if status < 400 else of_nova(status, said)
    error.status_code = status
    plain = cloud_error(error)
    assert plain.kind == kind
    assert said in plain.detail


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (auth.Unauthorized("401"), AUTH),
        (auth.NotFound("Could not find Application Credential"), AUTH),
        (auth.Forbidden("the account is blocked"), AUTH),
        (auth.InternalServerError("500"), TRANSIENT),
        (auth.ServiceUnavailable("503"), TRANSIENT),
        (auth.TooManyRequests("429"), TRANSIENT),
        (auth.AuthorizationFailure("no"), AUTH),
        (auth.ConnectTimeout("Request timed out"), TRANSIENT),
        (auth.ConnectFailure("Connection refused"), TRANSIENT),
        (auth.UnknownConnectionError("?", RuntimeError()), TRANSIENT),
        (auth.DiscoveryFailure("no versions"), TRANSIENT),
        (connection.SSLError("self-signed certificate"), FATAL),
        (auth.EndpointNotFound("no compute"), FATAL),
        (auth.NoMatchingPlugin("v9password"), FATAL),
        (sdk.ConfigException("Cloud nope was not found."), FATAL),
        (sdk.SDKException("what now"), TRANSIENT),
        (json.JSONDecodeError("Expecting value", "<html>", 0), TRANSIENT),
        (KeyError("servers"), TRANSIENT),
    ],
)
def test_a_login_that_fails_and_a_connection_that_breaks(
    error: Exception, kind: CloudErrorKind
) -> None:
    assert cloud_error(error).kind is kind


def test_an_error_that_is_plain_already_stays_as_it_is() -> None:
    plain = cloud_error(CloudError(CloudErrorKind.LOCKED, "Locked.", "by ops"))
    assert (plain.kind, plain.sentence, plain.detail) == (
        CloudErrorKind.LOCKED,
        "Locked.",
        "by ops",
    )


@given(st.integers(400, 599), st.text())
def test_every_answer_has_a_kind_and_one_plain_sentence(status: int, said: str) -> None:
    plain = cloud_error(of_nova(status, said))
    assert isinstance(plain.kind, CloudErrorKind)
    assert plain.sentence.endswith(".")
    assert plain.sentence.count(".") <= 2
    assert len(plain.detail) <= DETAIL_CHARACTERS
    assert "\n" not in plain.detail


@given(st.integers(500, 599), st.text())
def test_what_may_have_been_done_all_the_same_is_never_final(status: int, said: str) -> None:
    """But for the two answers that say that it was not."""
    assume(status != 501 and "host" not in said.lower())
    assert cloud_error(of_nova(status, said)).kind is TRANSIENT


@given(
    st.lists(st.text(st.characters(exclude_characters="*"), min_size=3), min_size=1, max_size=3),
    st.text(),
    st.text(),
)
def test_no_secret_stands_in_a_detail(secrets: list[str], before: str, after: str) -> None:
    said = without_secrets(before + after.join(secrets), secrets)
    assert all(secret not in said for secret in secrets)


def test_a_login_in_an_address_is_no_ones_business() -> None:
    error = auth.ConnectFailure("Unable to establish connection to https://fleet:pa55@cloud/v3: no")
    assert "pa55" not in cloud_error(error).detail
    assert "cloud/v3" in cloud_error(error).detail
