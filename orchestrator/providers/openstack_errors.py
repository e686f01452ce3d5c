"""What an OpenStack's refusals mean, for whoever asked and for whoever reads of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from keystoneauth1 import exceptions as auth
from keystoneauth1.exceptions import connection
from openstack import exceptions as sdk

from orchestrator.providers.port import CloudError, CloudErrorKind

DETAIL_CHARACTERS = 500

NO_ANSWER = "The cloud did not answer in time."
NO_CONNECTION = "The cloud cannot be reached."
NO_SENSE = "The cloud's answer makes no sense."
BUSY = "The cloud is out of order or overloaded."
NOT_US = "The cloud does not accept the credential, or the account's balance is empty."
NOT_ALLOWED = "The credential has no permission for this, or the account's balance is empty."
LOCKED = "Somebody has locked the server at the cloud."
CONFLICT = "The server is in no state for this just now."
QUOTA = "The project's quota at the cloud is used up."
CAPACITY = "The cloud has no room for the server just now."
GONE = "The cloud does not know of this server or request."
NO_COMPUTE = "The cloud offers this account no servers in the region that clouds.yaml names."
CERTIFICATE = "The cloud's certificate cannot be verified."
BAD_CONFIGURATION = "The entry of clouds.yaml that FLEET_CLOUD names cannot be used."
REFUSED = "The cloud refused the request."

_OVERLOADED = frozenset({408, 413, 425, 429})
"""Of the 4xx, those that are worth asking again. 413: how old clouds limit the rate."""

_NOT_US = frozenset({401, 402})

_NO_HOST = re.compile(r"no valid host|not enough hosts", re.IGNORECASE)
_QUOTA = re.compile(r"\bquota\b", re.IGNORECASE)
_LOCKED = re.compile(r"\bis locked\b", re.IGNORECASE)
_LOGIN_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")


def cloud_error(error: Exception, secrets: Collection[str] = ()) -> CloudError:
    """What a call that raised this came to. `secrets` never stand in the detail.

    What is not known for certain to have had no effect is TRANSIENT: the caller looks then.
    """
    kind, sentence = _meaning(error)
    return CloudError(kind, sentence, without_secrets(_detail(error), secrets))


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """The text without any of these, without logins in addresses, and not too long."""
    # The longest first: one may be a part of another.
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _LOGIN_IN_URL.sub("***@", text)[:DETAIL_CHARACTERS]


def _meaning(error: Exception) -> tuple[CloudErrorKind, str]:
    match error:
        case CloudError():
            return error.kind, error.sentence
        case sdk.HttpException():
            return _of_answer(error.status_code or 0, f"{error.details} {error.message}")
        case auth.HttpError():
            return _of_login(error.http_status)
        case connection.SSLError():
            return CloudErrorKind.FATAL, CERTIFICATE
        case connection.ConnectTimeout():
            return CloudErrorKind.TRANSIENT, NO_ANSWER
        case connection.ConnectionError() | auth.DiscoveryFailure():
            return CloudErrorKind.TRANSIENT, NO_CONNECTION
        case auth.EndpointNotFound() | sdk.ServiceDisabledException():
            return CloudErrorKind.FATAL, NO_COMPUTE
        case auth.AuthorizationFailure():
            return CloudErrorKind.AUTH, NOT_US
        case auth.AuthPluginException() | sdk.ConfigException():
            return CloudErrorKind.FATAL, BAD_CONFIGURATION
    return CloudErrorKind.TRANSIENT, NO_SENSE


def _of_login(status: int) -> tuple[CloudErrorKind, str]:
    """Keystone's answers: it says 404 for an application credential that it has never heard of."""
    if status >= 500 or status in _OVERLOADED:
        return CloudErrorKind.TRANSIENT, BUSY
    return CloudErrorKind.AUTH, NOT_US


def _of_answer(status: int, text: str) -> tuple[CloudErrorKind, str]:
    """Nova's answers. 403 is said for a missing permission and for a quota alike."""
    if status in _NOT_US:
        return CloudErrorKind.AUTH, NOT_US
    if status >= 500 and _NO_HOST.search(text):
        return CloudErrorKind.CAPACITY, CAPACITY
    if status == 501:
        return CloudErrorKind.FATAL, REFUSED
    if status >= 500 or status in _OVERLOADED:
        return CloudErrorKind.TRANSIENT, BUSY
    if status == 403:
        if _QUOTA.search(text):
            return CloudErrorKind.QUOTA, QUOTA
        return CloudErrorKind.AUTH, NOT_ALLOWED
    if status in {404, 410}:
        return CloudErrorKind.GONE, GONE
    if status == 409:
        if _LOCKED.search(text):
            return CloudErrorKind.LOCKED, LOCKED
        return CloudErrorKind.CONFLICT, CONFLICT
    return CloudErrorKind.FATAL, REFUSED


def _detail(error: Exception) -> str:
    match error:
        case CloudError():
            return error.detail
        case sdk.HttpException():
            said = " ".join(str(error.details or error.message).split())
            request = f", {error.request_id}" if error.request_id else ""
            return f"HTTP {error.status_code}: {said}{request}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
