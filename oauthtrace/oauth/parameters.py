"""Parameters of a request: query, form, JSON body or multipart, as they were sent."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

OAUTH_NAMES = frozenset(
    [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "code",
        "code_challenge",
        "code_challenge_method",
        "code_verifier",
        "grant_type",
        "client_secret",
        "refresh_token",
        "access_token",
        "id_token",
        "token",
        "token_type_hint",
        "assertion",
        "client_assertion",
        "client_assertion_type",
        "device_code",
        "request_uri",
        "nonce",
        "response_mode",
        "audience",
        "resource",
        "error",
        "error_description",
        "id_token_hint",
        "post_logout_redirect_uri",
        "username",
        "password",
        "subject_token",
        "subject_token_type",
        "auth_req_id",
    ]
)


@dataclass(slots=True, repr=False)
class Parameters:
    """What a request carried, and the oddities of how it carried it. Holds raw secrets: never stored, never printed."""

    values: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, str] = field(default_factory=dict)
    members: dict[str, Any] | None = None
    repeated: tuple[str, ...] = ()
    carrier: str | None = None
    """form, json, json-under-form, multipart, other; None without a body."""

    def get(self, name: str) -> str | None:
        """The first value of a parameter, body before query; None when it was not sent."""
        return self.values.get(name)


def pairs(text: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Form-decoded pairs, first value of each name, and the names that came more than once with differing values."""
    out: dict[str, str] = {}
    repeated = []
    for part in text.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        if "%" in name or "+" in name:
            name = _decode(name)
        if "%" in value or "+" in value:
            value = _decode(value)
        if name not in out:
            out[name] = value
        elif name in OAUTH_NAMES and name not in ("resource", "audience"):
            repeated.append(name)
    return out, tuple(repeated)


def _decode(text: str) -> str:
    """Form decoding of a name or value."""
    return unquote(text.replace("+", " "), errors="replace")


def read(query: str, body: str | None, content_type: str | None) -> Parameters:
    """All parameters of a request. The body wins over the query, since that is where RFC 6749 §3.2 wants them."""
    found = Parameters()
    if query:
        found.query, found.repeated = pairs(query)
    if body:
        _read_body(found, body, content_type or "")
    found.values = {**found.query, **found.body} if found.body else found.query
    return found


def _read_body(found: Parameters, body: str, content_type: str) -> None:
    stripped = body.lstrip()
    if stripped[:1] == "{":
        try:
            members = json.loads(stripped)
        except (ValueError, RecursionError):
            members = None
        if isinstance(members, dict):
            found.members = members
            found.body = {k: v if isinstance(v, str) else json.dumps(v) for k, v in members.items() if v is not None}
            found.carrier = "json-under-form" if "form-urlencoded" in content_type else "json"
            return
    if "multipart/form-data" in content_type:
        found.body = dict(re.findall(r'name="([^"]+)"\r?\n(?:[^\r\n]+\r?\n)*\r?\n([^\r\n]*)', body))
        found.carrier = "multipart"
        return
    if "=" in body and len(body) < 1_000_000 and not stripped.startswith(("<", "[")):
        found.body, again = pairs(stripped.rstrip("\r\n"))
        found.repeated += again
        found.carrier = "form" if "form-urlencoded" in content_type or not content_type else "form-under-other"
        return
    found.carrier = "other"
