"""From an entry of a provider's event log to a row: what every format of this folder shares.

A format says which objects are its entries and where in them our columns stand; here they are found in whatever they
come wrapped in, their secrets are replaced, and the row is made. An entry tells what the server thought, not what was
sent: it sees nothing of the request, so that what is missing in it proves nothing.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

from oauthtrace.oauth.observe import exchange_id, naive_utc
from oauthtrace.privacy import Redactor
from oauthtrace.providers import Code, find_codes
from oauthtrace.providers import code as provider_code
from oauthtrace.sources import Reading, Row, lines, lines_of
from oauthtrace.sources.documents import Values

SEES: tuple[str, ...] = ()
"""An event shows no part of the request itself."""

Members = Mapping[str, Any]
_ABSENT = frozenset(("", "-", "null", "None", "unknown"))
_WRAPPERS = ("detail", "data", "event", "events", "records", "Records", "value", "items", "_source", "result", "hits")
"""Members that an entry stands in: EventBridge, log streams, event hooks, list envelopes, search exports."""
_DEEPEST = 4


@dataclass(slots=True, repr=False)
class Event:
    """One entry as read, secrets and all; it never leaves the call of :func:`row_of`."""

    provider: str
    kind: str
    """the provider's name for what happened: ``CODE_TO_TOKEN_ERROR``"""
    failed: bool | None
    """null: it only gives context"""
    step: str = "event"
    time: float | None = None
    """epoch seconds"""
    client_id: str | None = None
    user: str | None = None
    address: str | None = None
    user_agent: str | None = None
    host: str | None = None
    """where the server answers, if the entry says so"""
    path: str | None = None
    status: int | None = None
    error: str | None = None
    error_code: str | None = None
    description: str | None = None
    """the server's sentence"""
    more: tuple[str | None, ...] = ()
    """further text that may tell why"""
    grant_type: str | None = None
    response_type: str | None = None
    redirect_uri: str | None = None
    scope: str | None = None
    granted_scope: str | None = None
    audience: str | None = None
    prompt: str | None = None
    auth_method: str | None = None
    state: str | None = None
    nonce: str | None = None
    code: str | None = None
    """what stands for the authorization code that was presented"""
    issued_code: str | None = None
    session: str | None = None
    request_id: str | None = None
    duration_ms: float | None = None


def row_of(event: Event, redactor: Redactor) -> Row:
    """The row of an event, every value clean of secrets."""
    clean, fingerprint = redactor.text, redactor.fingerprint
    failed = event.failed
    said = " | ".join(dict.fromkeys(part for part in (event.description, *event.more) if part))
    if not said and event.error and provider_code(event.provider, event.error) is None:
        said = event.error.replace("_", " ")  # a code that nobody listed may speak for itself
    text = f"{event.error}: {said}" if said and event.error else said

    def short(value: str | None, most: int = 200) -> str | None:
        return clean(value)[:most] if value else None

    return {
        "time": naive_utc(event.time),
        "duration_ms": event.duration_ms,
        "sees": list(SEES),
        "client_address": short(event.address, 60),
        "user_agent": short(event.user_agent, 300),
        "user_fp": fingerprint("user", event.user),
        "request_id": short(event.request_id, 80),
        "provider": event.provider,
        "step": event.step,
        "host": short(event.host.lower()) if event.host else None,
        "path": redactor.url(event.path)[:500] if event.path else None,
        "grant_type": short(event.grant_type),
        "response_type": short(event.response_type),
        "client_id": _harmless_id(event.client_id, redactor),
        "redirect_uri": redactor.url(event.redirect_uri)[:2000] if event.redirect_uri else None,
        "scope": short(event.scope, 2000),
        "granted_scope": short(event.granted_scope, 2000),
        "audience": short(event.audience, 500),
        "prompt": short(event.prompt),
        "auth_method": event.auth_method,
        "state_fp": fingerprint("state", event.state),
        "nonce_fp": fingerprint("nonce", event.nonce),
        "code_fp": fingerprint("code", event.code),
        "issued_code_fp": fingerprint("code", event.issued_code),
        "session_fp": fingerprint("session", event.session),
        "status": event.status,
        "error": short(event.error) if failed else None,
        "error_code": short(_finer(event, said)) if failed else None,
        "error_description": short(event.description, 1000) if failed else None,
        "message": short(text, 4000) if failed else None,
        "facts": ["log context" if failed is None else "failure event" if failed else "success event"],
    }


def _harmless_id(client_id: str | None, redactor: Redactor) -> str | None:
    """A client id, which is no secret (RFC 6749 §2.2) however random; a JWT in its place is."""
    if client_id is None:
        return None
    plain = len(client_id) <= 200 and client_id.isprintable() and " " not in client_id and "eyJ" not in client_id
    return client_id if plain else redactor.text(client_id)[:200]


def _finer(event: Event, said: str) -> str | None:
    """The provider's finer code: its kind together with what it says where that is listed, else one that stands in the text.

    A kind alone comes first where ``providers/`` lists it, and last where it does not.
    """
    details = [detail for detail in (event.error, event.description) if detail]
    candidates = [f"{event.kind}/{detail}" for detail in details] + ([event.error_code] if event.error_code else [])
    if known := next((candidate for candidate in candidates if listed(event.provider, candidate)), None):
        return known
    found = [code for provider, code in find_codes(said) if provider == event.provider and code != event.error]
    return first_of((*found, event.error_code))


def listed(provider: str, code: str) -> Code | None:
    """What a provider's own code means, if ``providers/`` lists exactly this one for it."""
    known = provider_code(provider, code)
    return known if known is not None and (known.provider, known.code) == (provider, code) else None


def is_failure(provider: str, code: str) -> bool:
    """Whether a provider's own code stands for a failure."""
    known = listed(provider, code)
    return known is not None and known.cause != "none"


# --- members of an entry ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def pick(data: Any, *paths: str) -> Any:
    """The first value that is there at one of the dotted paths (``target.0.id``); None when none is."""
    for path in paths:
        found = data
        for name in _steps(path):
            if isinstance(found, dict):
                found = found.get(name)
            elif isinstance(found, list) and name.isdigit():
                found = found[int(name)] if int(name) < len(found) else None
            else:
                found = None
                break
        if found is None and isinstance(data, dict):
            found = data.get(path)  # exports write ``client.ipAddress`` as one key
        if isinstance(found, str):
            if found not in _ABSENT:
                return found
        elif found is not None and found not in ([], {}):
            return found
    return None


def text_at(data: Any, *paths: str) -> str | None:
    """Like :func:`pick`, as text; a list of texts joined by blanks, an object as JSON."""
    found = pick(data, *paths)
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, list):
        return " ".join(str(item) for item in found) or None
    return json.dumps(found) if isinstance(found, dict) else str(found)


def whole(value: Any) -> int | None:
    """A whole number, however it is written (``400``, ``"400"``, ``400.0``)."""
    try:
        return int(float(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None


def parsed(value: Any) -> Any:
    """A member that some exports write as JSON text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def query_of(text: str | None) -> dict[str, str]:
    """The parameters of a path with a query, or of a query alone."""
    if not text or "=" not in text:
        return {}
    try:
        return dict(parse_qsl(text.partition("?")[2] or text, keep_blank_values=True))
    except ValueError:
        return {}


# --- entries of a stream ------------------------------------------------------------------------------------------------

IsEntry = Callable[[Members], bool]


def unwrapped(value: Any, is_entry: IsEntry, depth: int = 0) -> Iterator[Members]:
    """The entries in a value: itself, or what stands in lists and in known wrappers."""
    if isinstance(value, list):
        for item in value:
            yield from unwrapped(item, is_entry, depth)
    elif isinstance(value, dict):
        if is_entry(value):
            yield value
        elif depth < _DEEPEST:
            for name in _WRAPPERS:
                if isinstance(inner := parsed(value.get(name)), dict | list):
                    yield from unwrapped(inner, is_entry, depth + 1)


def read_documents(
    stream: BinaryIO, reading: Reading, is_entry: IsEntry, event_of: Callable[[Members], Event | None]
) -> Iterator[Row]:
    """The rows of a JSON document of entries, whatever it is wrapped in; an entry of other things is only counted."""
    before, number = -1, 0
    for place, value in Values(stream, reading):
        found = list(unwrapped(value, is_entry))
        reading.records += len(found) or 1
        for data in found:
            number = number + 1 if place == before else 0
            before = place
            event = event_of(data)
            if event is not None:
                row = reading.place(row_of(event, reading.redactor), place)
                if number:  # several entries share a line
                    row["id"] = exchange_id(row["id"], number)
                yield row


def read_lines(
    stream: BinaryIO, reading: Reading, pattern: str, event_of: Callable[[str], Event | Row | str | None]
) -> Iterator[Row]:
    """The rows of a log of events, one a line.

    Args:
        stream: the log.
        reading: takes the tally and the rejects.
        pattern: lines that do not match it hold no entry of this format (Rust regex).
        event_of: the event of a line, or its row, or why it can't be read, or None when it tells nothing of OAuth.
    """
    for number, line in lines.matching(stream, pattern, reading):
        event = event_of(line)
        if isinstance(event, str):
            reading.reject(number, event, line)
        elif event is not None:
            yield reading.place(event if isinstance(event, dict) else row_of(event, reading.redactor), number)


def object_of(line: str) -> dict[str, Any] | str:
    """The JSON object of a line, or why there is none."""
    try:
        data = json.loads(line[max(line.find("{"), 0) :])
    except (ValueError, RecursionError):
        return "not whole JSON"
    return data if isinstance(data, dict) else "no JSON object"


# --- to sniff -----------------------------------------------------------------------------------------------------------


_LOOKED_AT = 50


@lru_cache(maxsize=8)
def _values_of(head: bytes) -> tuple[Any, ...]:
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        return ()
    reading = Reading("", Redactor(bytes(16)))
    values = [value for (_, value), _ in zip(Values(io.BytesIO(head), reading), range(_LOOKED_AT), strict=False)]
    # lines that are no JSON count against every format of it; the last value is cut off where the head ends
    return (*values, *[None] * (reading.rejected - 1))


def share(head: bytes, is_entry: IsEntry) -> float:
    """Share of the values at the head of a JSON document that are entries or hold some."""
    values = _values_of(head)
    return sum(any(True for _ in unwrapped(value, is_entry)) for value in values) / len(values) if values else 0.0


def share_of_lines(head: bytes, is_entry: Callable[[str], object]) -> float:
    """Share of the first lines that are entries."""
    first = lines_of(head)
    return sum(bool(is_entry(line)) for line in first) / len(first) if first else 0.0


def first_of(values: Iterable[str | None]) -> str | None:
    """The first value that is there."""
    return next((value for value in values if value), None)
