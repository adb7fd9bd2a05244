"""Keycloak's server log as JSON lines (Quarkus), default keys or ECS: events of ``org.keycloak.events`` in ``message``.

Times carry their offset. Source: https://www.keycloak.org/server/logging (``log-console-output=json``,
``log-console-json-format=ecs``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from oauthtrace.sources import Reading, Row
from oauthtrace.sources.events import keycloak
from oauthtrace.sources.events.entries import SEES, Event, Members, object_of, read_lines, share, text_at
from oauthtrace.sources.events.keycloak_text import fields_of
from oauthtrace.sources.times import to_epoch

__all__ = ["BY_LINE", "NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "keycloak-json"
TITLE = "Keycloak's events in its server log, JSON lines"
BY_LINE = True
_LOGGER = "org.keycloak.events"


def is_entry(data: Members) -> bool:
    return text_at(data, "loggerName", "log.logger", "logger") == _LOGGER and isinstance(data.get("message"), str)


def is_server_line(data: Members) -> bool:
    """Whether a line is of the server's log at all: events stand among the lines of other loggers."""
    name = text_at(data, "loggerName", "log.logger")
    return bool(name and name.startswith(("org.keycloak.", "io.quarkus")) and "message" in data)


def sniff(head: bytes) -> float:
    """Certain as soon as one line is an event."""
    return share(head, is_server_line) if share(head, is_entry) else 0.0


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return read_lines(stream, reading, r"org\\?/?\.keycloak\.events", _line)


def _line(line: str) -> Event | str | None:
    data = object_of(line)
    if isinstance(data, str):
        return data
    if not is_entry(data):
        return None
    fields = fields_of(data["message"])
    return "no event in its message" if fields is None else keycloak.event(fields, to_epoch(_stamp(data)))


def _stamp(data: Members) -> str | None:
    return text_at(data, "timestamp", "@timestamp")
