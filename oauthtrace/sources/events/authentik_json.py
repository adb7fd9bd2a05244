"""authentik's log as JSON lines: requests of its Python and Go parts, words of its views, events.

The Python lines have no zone in their times and mean UTC. ``event`` is the path with its whole query in a request's
line, else a sentence. Source: https://docs.goauthentik.io/sys-mgmt/events/ and ``authentik/root/middleware.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources import Reading, Row
from oauthtrace.sources.access import row_of
from oauthtrace.sources.events.entries import (
    Event,
    Members,
    is_failure,
    object_of,
    pick,
    query_of,
    read_lines,
    share,
    text_at,
    whole,
)
from oauthtrace.sources.times import to_epoch

__all__ = ["BY_LINE", "NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "authentik-json"
TITLE = "log and events of authentik, JSON lines"
SEES = ("query",)
BY_LINE = True
PROVIDER = "authentik"
_VIEWS = "authentik.providers.oauth2"
_ACTIONS = {"authorize_application": "authorization", "login_failed": "event", "login": "event"}
_CALM = ("debug", "info")


def is_line(data: Members) -> bool:
    """A line of the log."""
    logger = data.get("logger")
    return "event" in data and isinstance(logger, str) and logger.startswith("authentik")


def is_event(data: Members) -> bool:
    """An event object, as the API gives it or as the log repeats it."""
    return (
        "action" in data and isinstance(data.get("context"), Mapping) and bool(data.keys() & {"created", "client_ip"})
    )


def is_entry(data: Members) -> bool:
    return is_line(data) or is_event(data)


def sniff(head: bytes) -> float:
    return share(head, is_entry)


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    def row(line: str) -> Event | Row | str | None:
        data = object_of(line)
        return data if isinstance(data, str) else _row(data, reading)

    return read_lines(stream, reading, r"authentik|\"action\"", row)


def _row(data: Members, reading: Reading) -> Event | Row | None:
    if is_event(data):
        return event_of(data)
    if not is_line(data):
        return None
    if "status" in data and "method" in data:
        row = row_of(raw_of(data), reading)
        return None if row is None else row | {"provider": PROVIDER}
    return said(data)


def raw_of(data: Members) -> RawExchange:
    """The exchange of a request's line."""
    host, path = text_at(data, "host"), str(data["event"])
    runtime = pick(data, "runtime")
    return RawExchange(
        str(data["method"]),
        f"{text_at(data, 'scheme') or 'https'}://{host}{path}" if host else path,
        time=to_epoch(data.get("timestamp")),
        duration_ms=float(runtime) if isinstance(runtime, int | float) or _is_number(runtime) else None,
        request_headers={"user-agent": agent} if (agent := text_at(data, "user_agent")) else {},
        status=whole(data["status"]),
        client_address=text_at(data, "remote"),
        user=text_at(data, "user"),
        request_id=text_at(data, "request_id"),
        sees=SEES,
    )


def _is_number(text: Any) -> bool:
    return isinstance(text, str) and text.replace(".", "", 1).isdigit()


def said(data: Members) -> Event | None:
    """The event of a sentence that the OAuth views wrote; None of other parts, and of what is no trouble."""
    sentence = str(data["event"])
    if not str(data["logger"]).startswith(_VIEWS) or text_at(data, "level") in _CALM:
        return None
    return Event(
        PROVIDER,
        "log",
        failed=True,
        step=_step(str(data["logger"])),
        time=to_epoch(data.get("timestamp")),
        client_id=text_at(data, "client_id"),
        address=text_at(data, "remote"),
        host=text_at(data, "host"),
        error=text_at(data, "error"),
        description=sentence,
        more=(text_at(data, "description", "cause", "exc", "exception"), _uris(data)),
        redirect_uri=text_at(data, "redirect_uri", "redirect_uri_given"),
        request_id=text_at(data, "request_id"),
    )


def _uris(data: Members) -> str | None:
    """What was expected and what came, in the words that messages use."""
    given, expected = (
        text_at(data, "redirect_uri", "redirect_uri_given"),
        pick(data, "expected", "redirect_uri_expected"),
    )
    wanted = expected[0] if isinstance(expected, list) and expected else expected
    return f"expected {wanted}, got {given}" if given and isinstance(wanted, str) else None


def _step(logger: str) -> str:
    words = {"authorize": "authorization", "token": "token", "userinfo": "userinfo", "introspection": "introspection"}
    return next((step for word, step in words.items() if logger.endswith(f".{word}")), "event")


def event_of(data: Members) -> Event | None:
    """The event of an event object; None for administration."""
    action = str(data["action"])
    failed = is_failure(PROVIDER, action)
    if not failed and action not in _ACTIONS:
        return None
    context = data["context"]
    request = pick(context, "http_request")
    args = pick(request, "args")
    sent = (
        {str(k): str(v) for k, v in args.items()} if isinstance(args, Mapping) else query_of(text_at(request, "args"))
    )
    message = text_at(context, "message", "cause", "error")
    return Event(
        PROVIDER,
        action,
        failed=failed,
        step=_ACTIONS.get(action, "authorization" if "response_type" in sent else "event"),
        time=to_epoch(data.get("created")),
        client_id=sent.get("client_id") or text_at(context, "provider.client_id", "client_id"),
        user=text_at(data, "user.username", "user.email"),
        address=text_at(data, "client_ip"),
        path=text_at(request, "path"),
        error=action if failed else None,
        description=message,
        redirect_uri=sent.get("redirect_uri") or text_at(context, "redirect_uri"),
        response_type=sent.get("response_type"),
        scope=sent.get("scope") or text_at(context, "scopes"),
        state=sent.get("state"),
        nonce=sent.get("nonce"),
        more=(text_at(context, "exception"),),
        request_id=text_at(request, "request_id"),
    )
