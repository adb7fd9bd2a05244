"""Whether a flow may be an OAuth exchange: a superset of what ``observe`` recognises, for a few microseconds.

Most traffic through a proxy is not OAuth. What this passes is looked at in full; what it drops costs next to nothing.
A test shows that it drops nothing that would have been recognised.
"""

from __future__ import annotations

import re
from collections.abc import Container
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from oauthtrace.oauth.endpoints import CANDIDATE
from oauthtrace.providers import provider_of

if TYPE_CHECKING:
    from mitmproxy.http import HTTPFlow

LOOKED_AT = 65_536
"""So many bytes of a body are searched."""

LONGEST_KNOWN = 200
"""Paths and names of headers up to this length (bytes) are remembered: somebody else chooses them."""

_CANDIDATE = re.compile(CANDIDATE.encode())
_SENT = (
    b"grant_type", b"response_type", b"client_id", b"client_secret", b"client_assertion", b"assertion", b"code_verifier",
    b"device_code", b"redirect_uri", b"request_uri", b"access_token", b"error_description", b"code_challenge",
)  # fmt: skip
"""Names of which one stands in every body that tells the step by its parameters."""
_RETURNED = (b"code", b"error", b"id_token")
"""With a ``state`` beside it, one of these makes a body that of a redirect (form_post)."""
_ANSWERED = (b"access_token", b"_endpoint", b'"kty"', b"authorization_servers", b"user_code", b"request_uri", b"auth_req_id", b"jwks_uri")  # fmt: skip
"""Members of which one stands in every JSON answer that tells the step by itself."""
_TOKEN_SCHEMES = (b"bearer", b"dpop ", b"token ", b"eyj")


def may_be_oauth(flow: HTTPFlow, learnt_paths: Container[bytes]) -> bool:
    """Whether a flow is worth a full look.

    Args:
        flow: a finished flow, or one that failed.
        learnt_paths: paths of endpoints that metadata documents announced.
    """
    request, response = flow.request, flow.response
    path = request.data.path
    if (
        response is None
        or response.status_code >= 400
        or _may_be_endpoint(path)
        or path.partition(b"?")[0].rstrip(b"/") in learnt_paths
    ):
        return True
    for name, value in request.headers.fields:
        if len(name) == 13 and name.lower() == b"authorization" and value[:6].lower().startswith(_TOKEN_SCHEMES):
            return True
    body = request.data.content
    return bool(body and _names_parameters(request, body)) or _answer_tells(flow)


def _may_be_endpoint(target: bytes) -> bool:
    path, _, query = target.partition(b"?")
    if _knows_path(path) if len(path) <= LONGEST_KNOWN else _may_be_oauths(path):
        return True
    return bool(query) and (b"%5f" in (lowered := query.lower()) or _CANDIDATE.search(lowered) is not None)


def _may_be_oauths(text: bytes) -> bool:
    return _CANDIDATE.search(text.lower()) is not None


_knows_path = lru_cache(maxsize=8192)(_may_be_oauths)
"""The same for paths, which come again; queries may hold secrets, and are not remembered."""


def _names_parameters(request: Any, body: bytes) -> bool:
    if "content-encoding" in request.headers:
        return True
    head = body[:LOOKED_AT]
    return any(name in head for name in _SENT) or (b"state" in head and any(name in head for name in _RETURNED))


def _answer_tells(flow: HTTPFlow) -> bool:
    response = flow.response
    kind, encoded = b"", False
    for name, value in response.headers.fields:
        match len(name):
            case 12 if name.lower() == b"content-type":
                kind = value.lower()
            case 16 if name.lower() == b"content-encoding":
                encoded = True
            case 16 if name.lower() == b"www-authenticate":
                return True
    body = response.data.content
    if not body:
        return False
    if encoded and len(body) <= LOOKED_AT and (b"json" in kind or b"plain" in kind):
        body = response.get_content(strict=False) or b""
    if body[:8].lstrip()[:1] == b"{":
        head = body[:LOOKED_AT]
        return any(name in head for name in _ANSWERED)
    return b"html" in kind and (
        provider_of(flow.request.host, None) is not None
        or any(map(_names_provider, [name for name, _ in response.headers.fields if len(name) <= LONGEST_KNOWN]))
    )


@lru_cache(maxsize=4096)
def _names_provider(header: bytes) -> bool:
    """Whether the answers of a provider have a header of this name."""
    return provider_of(None, None, [header.decode("ascii", "replace")]) is not None
