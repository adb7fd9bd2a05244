"""From a line of an error log, its frame taken apart, to a row: what nginx's, Apache's and the proxies' have in common.

The frame (time, process, connection, client, request) fills columns; the message alone is what is read for the cause.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from oauthtrace.oauth.observe import RawExchange, naive_utc
from oauthtrace.sources import Reading, Row, text

_NO_ANSWER = re.compile(
    r"AH0(?:0898|0957|1102|1114)|connect\(\) failed|no live upstreams|upstream (?:timed out|prematurely closed|server temporarily)|recv\(\) failed|send\(\) failed|SSL_do_handshake|host not found|could ?n.t be resolved|could not be resolved|upstream SSL certificate|peer closed connection in SSL"
)
"""The server behind the gateway gave no answer. Any other message tells what somebody thought of the exchange."""


@dataclass(slots=True, repr=False)
class Complaint:
    """One line of an error log. Raw: it may hold secrets, and never leaves the call of :func:`row_of`."""

    message: str
    failed: bool
    time: float | None = None
    """epoch seconds"""
    method: str | None = None
    url: str | None = None
    client: str | None = None
    request_id: str | None = None
    provider: str | None = None
    """whose message it is, where the frame says so"""
    referer: str | None = None
    ours: bool = False
    """it is known already that the message speaks of OAuth"""


def row_of(told: Complaint, reading: Reading) -> Row | None:
    """The row of a complaint, before it is placed; None when it is not OAuth's or nothing failed."""
    if not told.failed:
        return None
    row = (_of_request(told, reading) if told.url else None) or text.event_of(told.message, reading, ours=told.ours)
    if row is None:
        return None
    row["time"] = naive_utc(told.time)
    row["client_address"] = told.client[:60] if told.client else None
    row["request_id"] = told.request_id[:80] if told.request_id else None
    row["provider"] = told.provider or row.get("provider")
    if told.url and row["step"] == "event" and not row.get("path"):
        place = told.url.partition("?")[0]
        row["path"] = reading.redactor.url(re.sub(r"^https?://[^/]+", "", place))
    return row


def _of_request(told: Complaint, reading: Reading) -> Row | None:
    unanswered = _NO_ANSWER.search(told.message) is not None
    raw = RawExchange(
        method=told.method or "GET",
        url=told.url or "",
        request_headers={"referer": told.referer} if told.referer else {},
        transport_error=told.message[:300] if unanswered else None,
        note=told.message,
        sees=text.SEES,
    )
    row = text.told_of(raw, told.message, reading, failed=True)
    if row is not None and not unanswered:
        row["step"] = "event"
        row["facts"] = sorted({*row["facts"], "failure event"})
    return row
