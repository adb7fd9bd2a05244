"""From one raw HTTP exchange to one row of the schema: facts are taken, then every secret is dropped.

:class:`RawExchange` is what a reader or the live hook hands over. It is the only object that holds secrets, it masks
its ``repr``, and it never leaves the call of :func:`observe`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from oauthtrace.oauth import endpoints, errors, messages, pages, parameters
from oauthtrace.oauth.answer import take as take_answer
from oauthtrace.oauth.client import take as take_client
from oauthtrace.oauth.request import take as take_request
from oauthtrace.privacy import Redactor
from oauthtrace.providers import provider_of

CAPTURE = ("query", "headers", "authorization", "body", "answer", "location")
"""What a full capture (HAR, mitmproxy) sees."""
ACCESS_LOG = ("query",)
"""What an access log sees."""

Headers = Mapping[str, str]


@dataclass(slots=True, repr=False)
class RawExchange:
    """One HTTP exchange as read, secrets and all. Header names are lower case; a repeated header is joined by newlines."""

    method: str
    url: str
    time: float | None = None
    """epoch seconds, UTC"""
    duration_ms: float | None = None
    request_headers: Headers = field(default_factory=dict)
    request_body: str | None = None
    status: int | None = None
    answer_headers: Headers = field(default_factory=dict)
    answer_body: str | None = None
    transport_error: str | None = None
    client_address: str | None = None
    user: str | None = None
    request_id: str | None = None
    note: str | None = None
    """what the gateway itself noted of the exchange: response flags, upstream errors"""
    code: str | None = None
    """the gateway's own code for what happened, where it is none that a text shows"""
    step: str | None = None
    """what the exchange is when nothing else shows it: a gateway that refused a bearer token guards a resource"""
    sees: tuple[str, ...] = CAPTURE
    facts: tuple[str, ...] = ()


_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, as all moments of the schema


def naive_utc(epoch: float | None) -> datetime | None:
    """Epoch seconds as UTC without zone; None when it is no time that can be written."""
    try:
        return None if epoch is None else _EPOCH + timedelta(seconds=epoch)
    except (ValueError, OverflowError):
        return None


def exchange_id(source_file: str, position: int | None, *facts: object) -> str:
    """A stable id of an exchange: of where it was read and of nothing that depends on the key."""
    name = source_file.rsplit("/", 1)[-1]
    return hashlib.blake2b(repr((name, position, *facts)).encode(), digest_size=8).hexdigest()


def observe(raw: RawExchange, redactor: Redactor, learnt: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """The row of one exchange, or None when nothing shows that it belongs to OAuth.

    Args:
        raw: the exchange as read.
        redactor: makes fingerprints with the database's key.
        learnt: endpoints from discovery documents of the same traffic, see :func:`oauthtrace.oauth.endpoints.learn`.
    """
    try:
        parts = urlsplit(raw.url)
        host = parts.netloc.rpartition("@")[2].lower()
    except ValueError:
        return None
    request, answer_headers = raw.request_headers, raw.answer_headers
    if _shows_only_a_path(raw, parts.query, parts.fragment) and not learnt and endpoints.by_path(parts.path) is None:
        return None  # most lines of an access log
    sent = parameters.read(parts.query, raw.request_body, request.get("content-type", "").lower())
    if parts.fragment and "=" in parts.fragment:
        fragment, _ = parameters.pairs(parts.fragment)
        if fragment.keys() & {"access_token", "id_token", "code", "error"}:
            sent.values = {**sent.values, **fragment}
    body_members = errors.members(raw.answer_body)
    step = endpoints.recognise(
        raw.method,
        f"{parts.scheme}://{host}{parts.path}",
        parts.path,
        sent,
        body_members,
        learnt or {},
        request.get("authorization"),
        answer_headers.get("www-authenticate"),
    )
    step = step or raw.step
    page = pages.complaint_of(raw, step, host, parts.path)
    in_dialogue = step is None and pages.dialogue_failed(raw, sent)
    if step is None and (page or in_dialogue):
        step = "authorization"  # the server's own dialogue, which the sign-in passed on to
    facts = set(raw.facts)
    if page:
        facts.add("error page")
        raw.note = f"{raw.note} | {page}" if raw.note else page
    if step is None:
        if (raw.status or 0) < 400 or not messages.speaks_of_oauth(raw.answer_body):
            return None
        step = "event"  # an application's own page that tells of a failed exchange
        facts.add("failure event")
    url = redactor.url(raw.url)
    row: dict[str, Any] = {
        "time": naive_utc(raw.time),
        "duration_ms": raw.duration_ms,
        "sees": list(raw.sees),
        "client_address": raw.client_address,
        "user_fp": redactor.fingerprint("user", raw.user),
        "request_id": raw.request_id,
        "step": step,
        "method": raw.method,
        "url": url,
        "scheme": parts.scheme or None,
        "host": host or None,
        "path": parts.path if url == raw.url else redactor.url(parts.path),
        "status": raw.status,
        "transport_error": redactor.text(raw.transport_error) if raw.transport_error else None,
        "provider": provider_of(host.partition(":")[0] or None, parts.path, answer_headers.keys()),
    }
    take_request(row, facts, raw, sent, redactor)
    take_client(row, facts, raw, sent, redactor)
    take_answer(row, facts, raw, body_members, redactor)
    row["facts"] = sorted(f for f in facts if not f.startswith("no ")) if in_dialogue else sorted(facts)
    return row


def _shows_only_a_path(raw: RawExchange, query: str, fragment: str) -> bool:
    """Whether nothing but the path can tell that an exchange is OAuth's."""
    return not (
        query or fragment or raw.request_body or raw.answer_body or raw.step
        or "authorization" in raw.request_headers or "www-authenticate" in raw.answer_headers
    )  # fmt: skip


def lower_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Header pairs as a mapping with lower-case names; repeated headers are joined by a newline."""
    out: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        out[key] = f"{out[key]}\n{value}" if key in out else value
    return out
