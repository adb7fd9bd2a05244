"""Auth0's tenant logs: Management API (array), log streams (``{"log_id", "data"}``), EventBridge (``detail.data``).

Times are UTC. ``type`` is a short code: https://auth0.com/docs/deploy-monitor/logs/log-event-type-codes. Of an
authorization code the log shows the last three characters; within a code's life they tell which exchanges were of the
same code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, BinaryIO

from oauthtrace.sources import Reading, Row
from oauthtrace.sources.events.entries import SEES, Event, Members, is_failure, read_documents, share, text_at
from oauthtrace.sources.times import to_epoch

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "auth0"
TITLE = "tenant logs of Auth0"
PROVIDER = "auth0"
_PASSWORD, _MFA = "password", "http://auth0.com/oauth/grant-type/mfa-"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"

GRANTS: dict[str, str | None] = {
    "acft": "authorization_code",
    "ccft": "client_credentials",
    "de": _DEVICE,
    "ns": _EXCHANGE,
    "oobft": f"{_MFA}oob",
    "otpft": f"{_MFA}otp",
    "pft": _PASSWORD,
    "potpft": "http://auth0.com/oauth/grant-type/passwordless/otp",
    "rcft": f"{_MFA}recovery-code",
    "rrt": "refresh_token",
    "rtft": "refresh_token",
    "cte": _EXCHANGE,
}
"""What follows ``fe`` or ``se`` in the type of a token request -> its grant type."""
STEPS: dict[str, str] = {
    "f": "authorization", "fp": "authorization", "fu": "authorization", "fc": "authorization", "fsa": "authorization",
    "fco": "event", "fcoa": "authorization", "s": "authorization", "ssa": "authorization", "w": "authorization",
    "fd": "token", "fdeac": "event", "fdeaz": "device-authorization", "fdecc": "event", "fapi": "resource",
    "flo": "end-session", "slo": "end-session", "fs": "event", "limit_wc": "event", "limit_mu": "event",
    "limit_sul": "event", "api_limit": "event", "pwd_leak": "event", "signup_pwd_leak": "event",
    "gd_auth_failed": "event", "gd_auth_rejected": "event", "mfar": "event", "actions_execution_failed": "event",
    "ciba_start_failed": "event", "ciba_exchange_failed": "token", "oidc_backchannel_logout_failed": "event",
    "sdeaz": "device-authorization", "srrt": "revocation", "fpar": "par", "spar": "par",
}  # fmt: skip
"""Type -> step; types that stand neither here nor in GRANTS are administration."""

_CODE_LIFE_S = 600.0
_KEPT_CODES = 50_000


class _Codes:
    """Which exchanges were of the same code: same client, same last characters, no more than a code's life apart."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str | None, str], float] = {}

    def name(self, client: str | None, masked: str | None, time: float | None) -> str | None:
        tail = masked.lstrip("*") if masked else ""
        if not tail or tail == masked or time is None:
            return None
        first = self._seen.get((client, tail))
        if first is None or abs(time - first) > _CODE_LIFE_S:
            if len(self._seen) >= _KEPT_CODES:
                self._seen.pop(next(iter(self._seen)))
            first = self._seen[client, tail] = time
        return f"{client}/{tail}/{first}"


def is_entry(data: Members) -> bool:
    kind = data.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) < 40 or not kind.replace("_", "").isalnum():
        return False
    marked = bool(data.keys() & {"log_id", "_id", "tenant_name", "$event_schema"})
    return (marked and bool(data.keys() & {"client_id", "date"})) or ("date" in data and _step(kind) is not None)


def _step(kind: str) -> str | None:
    """The step of a type; None for administration."""
    return "token" if kind[:2] in ("fe", "se") and kind[2:] in GRANTS else STEPS.get(kind)


def sniff(head: bytes) -> float:
    return share(head, is_entry)


def event_of(data: Members, codes: _Codes) -> Event | None:
    kind = str(data["type"])
    step = _step(kind)
    if step is None:
        return None
    grant = GRANTS.get(kind[2:]) if kind[:2] in ("fe", "se") else None
    failed = is_failure(PROVIDER, kind) or kind[:2] == "fe"
    sent = _sent(data)
    time = to_epoch(data.get("date"))
    client = text_at(data, "client_id") or sent.get("client_id")
    words = text_at(data, "details.error.message", "details.error", "details.reason") if failed else None
    error = text_at(data, "details.error.oauthError", "details.error.type", "details.error.code", "details.oauthError")
    return Event(
        PROVIDER,
        kind,
        failed=failed,
        step=step,
        time=time,
        client_id=client,
        user=text_at(data, "user_id", "user_name"),
        address=text_at(data, "ip"),
        user_agent=text_at(data, "user_agent"),
        host=text_at(data, "hostname", "host"),
        error=error if error and " " not in error and error != "oauth-authorization" else None,
        error_code=kind if failed else None,
        description=text_at(data, "description"),
        more=(words, text_at(data, "details.actions.executions.0.error")),
        grant_type=grant or sent.get("grant_type"),
        response_type=sent.get("response_type"),
        redirect_uri=sent.get("redirect_uri"),
        scope=text_at(data, "scope") or sent.get("scope"),
        audience=text_at(data, "audience") or sent.get("audience"),
        prompt=sent.get("prompt"),
        state=sent.get("state"),
        nonce=sent.get("nonce"),
        code=codes.name(client, text_at(data, "details.code"), time) if grant == "authorization_code" else None,
        session=text_at(data, "details.session_id", "session_id"),
    )


def _sent(data: Members) -> dict[str, str]:
    """Parameters of the request, where the entry has them."""
    found: dict[str, Any] = {}
    details = data.get("details")
    if isinstance(details, Mapping):
        for name in ("qs", "body"):
            if isinstance(part := details.get(name), Mapping):
                found |= part
    return {name: value for name, value in found.items() if isinstance(value, str) and value.strip("*")}


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return read_documents(stream, reading, is_entry, partial(event_of, codes=_Codes()))
