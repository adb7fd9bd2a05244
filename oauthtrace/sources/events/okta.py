"""Okta's System Log: the answer of ``/api/v1/logs``, event hooks (``data.events``), EventBridge (``detail``), SIEM exports.

Times are UTC. Source: https://developer.okta.com/docs/reference/api/system-log/ and .../event-types/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from oauthtrace.sources import Reading, Row
from oauthtrace.sources.events.entries import (
    SEES,
    Event,
    Members,
    first_of,
    pick,
    query_of,
    read_documents,
    share,
    text_at,
)
from oauthtrace.sources.times import to_epoch

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "okta"
TITLE = "System Log of Okta"
PROVIDER = "okta"

STEPS: tuple[tuple[str, str], ...] = (
    ("app.oauth2.as.authorize", "authorization"),
    ("app.oauth2.authorize", "authorization"),
    ("app.oauth2.as.consent", "authorization"),
    ("app.oauth2.consent", "authorization"),
    ("app.oauth2.signon", "authorization"),
    ("app.oauth2.as.token.revoke", "revocation"),
    ("app.oauth2.token.revoke", "revocation"),
    ("app.oauth2.as.token", "token"),
    ("app.oauth2.token", "token"),
    ("app.oauth2.as.evaluate.claim", "token"),
    ("app.oauth2.invalid_client_credentials", "token"),
    ("app.oauth2.client.dynamic_registration", "registration"),
    ("user.authentication.sso", "event"),
    ("user.authentication", "event"),
    ("user.session.start", "event"),
    ("user.account.lock", "event"),
    ("policy.evaluate_sign_on", "event"),
    ("system.org.rate_limit.violation", "event"),
)
"""How an event type begins -> the step; other types are administration."""

_SURELY_FAILED = ("system.org.rate_limit.violation", "user.account.lock", "app.oauth2.invalid_client_credentials")
"""Event types that tell of a failure whatever their result says; so does the second use of a refresh token."""
_ENDED_WELL = ("SUCCESS", "ALLOW")
_ENDED_BADLY = ("FAILURE", "DENY")
_AUTH_METHODS = {
    "client_secret_basic": "client_secret_basic",
    "client_secret_post": "client_secret_post",
    "private_key_jwt": "jwt",
    "client_secret_jwt": "jwt",
    "none": "none",
}


def is_entry(data: Members) -> bool:
    kind = _member(data, "eventType")
    if not isinstance(kind, str) or "." not in kind or kind.startswith("com."):
        return False
    outcome = data.get("outcome")
    return isinstance(outcome, Mapping) and "result" in outcome


def _member(data: Members, name: str) -> Any:
    """A member by its name, as collectors lower-case it too."""
    return data.get(name, data.get(name.lower()))


def sniff(head: bytes) -> float:
    return share(head, is_entry)


def event_of(data: Members) -> Event | None:
    kind = str(_member(data, "eventType"))
    step = next((step for start, step in STEPS if kind == start or kind.startswith(f"{start}.")), None)
    if step is None:
        return None
    result = str(text_at(data, "outcome.result")).upper()
    reason = text_at(data, "outcome.reason")
    told = kind in _SURELY_FAILED or kind.endswith(".detect_reuse")
    failed = True if told or result in _ENDED_BADLY else False if result in _ENDED_WELL else None
    word = reason if reason and " " not in reason else None
    debug = _debug_data(data)
    url = debug("url")
    sent = query_of(url)
    grant = debug("grantType") or sent.get("grant_type")
    return Event(
        PROVIDER,
        kind,
        failed=failed,
        step=step,
        time=to_epoch(data.get("published")),
        client_id=_client(data) or sent.get("client_id") or debug("clientId"),
        user=_user(data),
        address=text_at(data, "client.ipAddress", "client.ipaddress"),
        user_agent=text_at(data, "client.userAgent.rawUserAgent", "client.useragent.rawuseragent"),
        path=debug("requestUri"),
        error=word,
        error_code=kind,
        description=reason if reason != word else None,
        more=(debug("errorDescription"),),
        grant_type="refresh_token" if kind.endswith("detect_reuse") else grant,
        response_type=debug("responseType") or sent.get("response_type"),
        redirect_uri=sent.get("redirect_uri") or debug("redirectUri"),
        scope=debug("requestedScopes") or sent.get("scope"),
        granted_scope=debug("grantedScopes"),
        prompt=sent.get("prompt"),
        auth_method=_AUTH_METHODS.get(debug("clientAuthType") or ""),
        state=sent.get("state"),
        nonce=sent.get("nonce"),
        session=text_at(data, "authenticationContext.externalSessionId"),
        request_id=text_at(data, "transaction.id") or debug("requestId"),
    )


def _debug_data(data: Members) -> Callable[[str], str | None]:
    """Looks a member of the debug data up, which collectors write in lower case."""
    found = pick(data, "debugContext.debugData", "debugcontext.debugdata")
    members = found if isinstance(found, dict) else {}
    return lambda name: text_at(members, name) if name in members else text_at(members, name.lower())


def _client(data: Members) -> str | None:
    """The client's id: of the actor when it is an application, else of the application among the targets."""
    if text_at(data, "actor.type") == "PublicClientApp":
        return text_at(data, "actor.id", "actor.alternateId")
    targets = data.get("target")
    named = targets if isinstance(targets, list) else []
    return first_of(
        text_at(target, "id") for target in named if text_at(target, "type") in ("AppInstance", "PublicClientApp")
    )


def _user(data: Members) -> str | None:
    if text_at(data, "actor.type") == "User":
        return text_at(data, "actor.alternateId", "actor.id")
    targets = data.get("target")
    named = targets if isinstance(targets, list) else []
    return first_of(text_at(target, "alternateId", "id") for target in named if text_at(target, "type") == "User")


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return read_documents(stream, reading, is_entry, event_of)
