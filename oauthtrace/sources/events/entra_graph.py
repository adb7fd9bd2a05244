"""Sign-ins of Microsoft Entra ID from Microsoft Graph (``/auditLogs/signIns``): ``{"value": […]}``, arrays, NDJSON.

Times are UTC. Source: https://learn.microsoft.com/graph/api/resources/signin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from oauthtrace.sources import Reading, Row
from oauthtrace.sources.events import entra
from oauthtrace.sources.events.entries import SEES, Event, Members, read_documents, share

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "entra-graph"
TITLE = "sign-in log of Microsoft Entra ID, from Microsoft Graph"


def is_entry(data: Members) -> bool:
    status = data.get("status")
    return (
        isinstance(status, Mapping)
        and "errorCode" in status
        and "category" not in data
        and bool(data.keys() & {"appId", "createdDateTime", "correlationId"})
    )


def sniff(head: bytes) -> float:
    return share(head, is_entry)


def event_of(data: Members) -> Event | None:
    return entra.event_of(data, {})


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return read_documents(stream, reading, is_entry, event_of)
