"""ZITADEL's log of refused OIDC requests (``msg="request error"``), as text (slog) or JSON lines.

Times carry their offset. No client id is logged; ``oidc_error.parent`` names the spot in the source. Source:
``internal/api/oidc`` of https://github.com/zitadel/zitadel and ``op.AuthRequestError`` of github.com/zitadel/oidc.
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
    object_of,
    read_lines,
    share_of_lines,
    text_at,
    whole,
)
from oauthtrace.sources.events.logfmt import pairs
from oauthtrace.sources.times import to_epoch

__all__ = ["BY_LINE", "NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "zitadel-text"
TITLE = "log of ZITADEL's refused OIDC requests"
BY_LINE = True
PROVIDER = "zitadel"
_ERROR = "oidc_error"
_AT_AUTHORIZE = re.compile(r"redirect_uri|response_type|\bprompt\b|auth request", re.IGNORECASE)
_AT_TOKEN = re.compile(
    r"grant_type|\bcode\b|verifier|refresh|client_secret|assertion|client (?:auth|secret)", re.IGNORECASE
)


def members_of(line: str) -> Members | None:
    """The members of a line that tells of a refused request; None of any other line."""
    if _ERROR not in line:
        return None
    if not line.lstrip().startswith("{"):
        return pairs(line)
    data = object_of(line)
    return None if isinstance(data, str) else data


def _is_own(line: str) -> bool:
    return "oidc_error." in line or '"oidc_error":' in line or ("zitadel" in line and "level=" in line)


def sniff(head: bytes) -> float:
    return share_of_lines(head, _is_own)


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return read_lines(stream, reading, _ERROR, _line)


def _line(line: str) -> Event | str | None:
    data = members_of(line)
    if data is None:
        return "not whole JSON" if line.lstrip().startswith("{") else None
    error = text_at(data, "oidc_error.type", "oidc_error.error")
    description = text_at(data, "oidc_error.description")
    parent = text_at(data, "oidc_error.parent")
    if error is None and not isinstance(data.get(_ERROR), str | Mapping):
        return None
    return Event(
        PROVIDER,
        "request error",
        failed=True,
        step=_step(error, description or ""),
        time=to_epoch(text_at(data, "time", "timestamp")),
        status=whole(data.get("status_code")),
        error=error,
        description=description,
        more=(parent,),
        client_id=text_at(data, "client_id"),
        request_id=text_at(data, "request_id", "trace_id"),
    )


def _step(error: str | None, description: str) -> str:
    """The endpoint that refused, as far as the words tell: the log does not name it."""
    if error in ("invalid_grant", "invalid_client", "unsupported_grant_type", "authorization_pending"):
        return "token"
    if _AT_TOKEN.search(description):
        return "token"
    return "authorization" if _AT_AUTHORIZE.search(description) else "event"
