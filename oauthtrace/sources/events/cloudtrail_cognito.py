"""Amazon Cognito in AWS CloudTrail: files (``{"Records": […]}``), EventBridge (``detail``), NDJSON.

User pool API calls carry ``errorCode`` and ``errorMessage``; calls of the hosted pages and of the token endpoint are
service events (``Token_POST``) with the HTTP status as a float, and of secrets the words ``HIDDEN_DUE_TO_SECURITY_REASONS``.
Times are UTC, in seconds. Source:
https://docs.aws.amazon.com/cognito/latest/developerguide/logging-using-cloudtrail.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from oauthtrace.sources import Reading, Row
from oauthtrace.sources.events.entries import (
    SEES,
    Event,
    Members,
    first_of,
    pick,
    read_documents,
    share,
    text_at,
    whole,
)
from oauthtrace.sources.times import to_epoch

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "cloudtrail-cognito"
TITLE = "Amazon Cognito's events in AWS CloudTrail"
PROVIDER = "cognito"

PAGES: dict[str, str] = {
    "authorize": "authorization",
    "login": "authorization",
    "error": "authorization",
    "token": "token",
    "userinfo": "userinfo",
    "revoke": "revocation",
    "logout": "end-session",
    "saml2_idpresponse": "redirection",
    "oauth2_idpresponse": "redirection",
}
"""Page of a service event (``Token_POST``), lower case -> step."""
CALLS: dict[str, str] = {
    "InitiateAuth": "token",
    "AdminInitiateAuth": "token",
    "RespondToAuthChallenge": "token",
    "AdminRespondToAuthChallenge": "token",
    "GetTokensFromRefreshToken": "token",
    "RevokeToken": "revocation",
    "GetUser": "userinfo",
    "GlobalSignOut": "end-session",
}
"""API call -> step; other calls are administration."""
_FLOWS = {
    "USER_PASSWORD_AUTH": "password",
    "ADMIN_USER_PASSWORD_AUTH": "password",
    "ADMIN_NO_SRP_AUTH": "password",
    "USER_SRP_AUTH": "password",
    "REFRESH_TOKEN_AUTH": "refresh_token",
    "REFRESH_TOKEN": "refresh_token",
}
_HIDDEN = re.compile(r"HIDDEN_DUE_TO|\*{3}|^null$")
_SOURCES = ("cognito-idp.amazonaws.com", "cognito-identity.amazonaws.com")


def is_entry(data: Members) -> bool:
    return "eventName" in data and data.get("eventSource") in _SOURCES


def sniff(head: bytes) -> float:
    """A trail holds calls of all services: one in some hundred of Cognito's makes it ours."""
    found = share(head, is_entry)
    return max(found, 0.9 * share(head, _is_trail)) if found else 0.0


def _is_trail(data: Members) -> bool:
    return "eventVersion" in data and "eventSource" in data and "eventName" in data


def event_of(data: Members) -> Event | None:
    name = str(data["eventName"])
    page, _, method = name.rpartition("_")
    step = PAGES.get(page.lower()) if method in ("GET", "POST") else CALLS.get(name)
    if step is None:
        return None
    status = whole(pick(data, "additionalEventData.responseParameters.status"))
    code = text_at(data, "errorCode")
    sent = _sent(data)
    flow = _FLOWS.get(sent.get("authFlow", ""))
    if name == "GetTokensFromRefreshToken":
        flow = "refresh_token"
    return Event(
        PROVIDER,
        name,
        failed=bool(code) or (status or 0) >= 400 or page.lower() == "error",
        step=step,
        time=to_epoch(data.get("eventTime")),
        client_id=sent.get("client_id") or sent.get("clientId"),
        user=text_at(data, "additionalEventData.sub", "userIdentity.principalId"),
        address=text_at(data, "sourceIPAddress"),
        user_agent=text_at(data, "userAgent"),
        host=text_at(data, "additionalEventData.userPoolDomain", "tlsDetails.clientProvidedHostHeader"),
        status=status,
        error=sent.get("error") or code,
        description=sent.get("error_description") or text_at(data, "errorMessage"),
        grant_type=sent.get("grant_type") or flow,
        response_type=sent.get("response_type"),
        redirect_uri=sent.get("redirect_uri"),
        scope=sent.get("scope"),
        prompt=sent.get("prompt"),
        state=sent.get("state"),
        nonce=sent.get("nonce"),
        request_id=text_at(data, "requestID", "eventID"),
    )


def _sent(data: Members) -> dict[str, str]:
    """The request's parameters, each a list of one in service events; hidden values are left out."""
    found: dict[str, str] = {}
    for place in (pick(data, "requestParameters"), pick(data, "additionalEventData.requestParameters")):
        for name, value in place.items() if isinstance(place, Mapping) else ():
            single = first_of(str(v) for v in value) if isinstance(value, list) else value
            if isinstance(single, str) and not _HIDDEN.search(single):
                found[str(name)] = single
    return found


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return read_documents(stream, reading, is_entry, event_of)
