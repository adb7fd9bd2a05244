"""Events of a realm as Keycloak's admin API gives them (``GET /admin/realms/REALM/events``): a JSON array.

``time`` is epoch milliseconds. Admin events (``operationType``, ``resourcePath``) are administration, no exchange.
Source: ``EventRepresentation`` in https://www.keycloak.org/docs-api/latest/rest-api/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from oauthtrace.sources import Reading, Row
from oauthtrace.sources.events import keycloak
from oauthtrace.sources.events.entries import SEES, Event, Members, read_documents, share, text_at
from oauthtrace.sources.times import to_epoch

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "keycloak-events-api"
TITLE = "events of Keycloak's admin API"


def is_entry(data: Members) -> bool:
    if "operationType" in data and "resourceType" in data:
        return "realmId" in data
    kind = data.get("type")
    if not isinstance(kind, str) or not kind.replace("_", "").isalnum() or kind != kind.upper():
        return False
    return "realmId" in data or (
        "clientId" in data and (kind.endswith("_ERROR") or isinstance(data.get("details"), Mapping))
    )


def sniff(head: bytes) -> float:
    return share(head, is_entry)


def event_of(data: Members) -> Event | None:
    if "operationType" in data:
        return None
    details = data.get("details")
    fields = {
        name: text
        for source in (details if isinstance(details, Mapping) else {}, data)
        for name in source
        if name != "details" and (text := text_at(source, name)) is not None
    }
    return keycloak.event(fields, to_epoch(data.get("time")))


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return read_documents(stream, reading, is_entry, event_of)
