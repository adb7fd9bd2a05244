"""Dex's log: slog since 2.41, logrus before, as text or JSON with the same keys.

Times carry their offset. Source: ``server/handlers.go``, ``server/oauth2.go`` of https://github.com/dexidp/dex; earlier
releases put the reason into ``msg``, later ones into ``err``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from oauthtrace.sources import Reading, Row
from oauthtrace.sources.events.entries import SEES, Event, object_of, read_lines, share_of_lines, text_at
from oauthtrace.sources.events.logfmt import pairs
from oauthtrace.sources.times import to_epoch

__all__ = ["BY_LINE", "NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "dex-text"
TITLE = "log of Dex"
BY_LINE = True
PROVIDER = "dex"

_OWN = (
    ("failed to parse authorization request", "authorization"),
    ("login successful", "authorization"),
    ("missing client_secret on token request", "token"),
    ("invalid client_secret on token request", "token"),
    ("failed to get client", "token"),
    ("invalid client credentials", "token"),
    ("failed to get auth code", "token"),
    ("failed to get refresh token", "token"),
    ("refresh token", "token"),
    ("failed to parse token request", "token"),
    ("failed to login user", "event"),
    ("failed to authenticate", "event"),
    ("failed to finalize login", "event"),
    ("failed to get auth request", "authorization"),
    ("failed to create authorization request", "authorization"),
    ("failed to delete auth request", "authorization"),
    ("failed to get connector", "authorization"),
    ("invalid device", "token"),
    ("error in device", "token"),
    ("verifying auth code", "token"),
)
"""How messages of its handlers begin, lower case -> step."""
_BAD_BEGINNINGS = ("invalid ", "missing ", "failed ")
"""A refused client is told of at level INFO."""
_START_UP = re.compile(r"^(?:config |starting dex|keys (?:expired|rotated)|listening \(|dex version)", re.IGNORECASE)
_LEVEL = re.compile(r'level="?(?:debug|info|warn|warning|error|fatal)\b|"level":', re.IGNORECASE)
_DETAIL = re.compile(r"^([^:]+): (.+)$", re.DOTALL)
_URI = re.compile(r'redirect_uri \("([^"]+)"\)')
_CLIENT = re.compile(r'client(?:_id)?[ =:]+(?:with id )?"?([\w.-]{2,80})"?')


def fields_of(line: str) -> dict[str, str] | None:
    """The pairs of a line of a Go logger; None when it is none."""
    if not _LEVEL.search(line):
        return None
    if line.lstrip().startswith("{"):
        data = object_of(line)
        found = {} if isinstance(data, str) else {name: text_at(data, name) or "" for name in data}
    else:
        found = pairs(line)
    return found if "msg" in found else None


def _step(message: str) -> str | None:
    lowered = message.lower()
    return next((step for start, step in _OWN if lowered.startswith(start)), None)


def _is_own(line: str) -> bool:
    fields = fields_of(line)
    return fields is not None and (_step(fields["msg"]) is not None or bool(_START_UP.match(fields["msg"])))


def sniff(head: bytes) -> float:
    return share_of_lines(head, _is_own)


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return read_lines(stream, reading, "msg", _line)


def _line(line: str) -> Event | str | None:
    fields = fields_of(line)
    if fields is None:
        return None
    message = fields["msg"]
    step = _step(message)
    level = fields.get("level", "").lower()
    failed = level in ("error", "warn", "warning", "fatal") or message.lower().startswith(_BAD_BEGINNINGS)
    if step is None and not (failed and "oauth" in message.lower()):
        return None
    cause = fields.get("err") or fields.get("error")
    told = _DETAIL.match(message)
    uri = _URI.search(cause or message)
    client = fields.get("client_id") or (m[1] if (m := _CLIENT.search(cause or message)) else None)
    return Event(
        PROVIDER,
        message[:80],
        failed=failed or (False if message.lower().startswith("login successful") else None),
        step=step or "event",
        time=to_epoch(fields.get("time")),
        client_id=client,
        user=fields.get("username") or fields.get("email"),
        description=cause or (told[2] if told else message),
        more=(message if cause else None,),
        redirect_uri=uri[1] if uri else None,
        request_id=fields.get("request_id"),
        address=fields.get("client_remote_addr"),
    )
