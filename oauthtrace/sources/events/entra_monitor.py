"""Sign-ins of Microsoft Entra ID from Azure Monitor (event hub, storage) or Log Analytics.

The categories ``SignInLogs``, ``NonInteractiveUserSignInLogs``, ``ServicePrincipalSignInLogs`` and
``ManagedIdentitySignInLogs``; ``properties`` is the sign-in as Microsoft Graph has it. Times are UTC. Source:
https://learn.microsoft.com/azure/azure-monitor/reference/tables/signinlogs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from oauthtrace.sources import Reading, Row
from oauthtrace.sources.events import entra
from oauthtrace.sources.events.entries import SEES, Event, Members, parsed, read_documents, share, text_at

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "entra-monitor"
TITLE = "sign-in log of Microsoft Entra ID, from Azure Monitor"


def is_entry(data: Members) -> bool:
    if not data.keys() & {"resultType", "ResultType"}:
        return False
    kind = text_at(data, "category", "Category", "Type") or ""
    name = text_at(data, "operationName", "OperationName")
    return "SignInLogs" in kind.replace("Signin", "SignIn") or name == "Sign-in activity"


def sniff(head: bytes) -> float:
    return share(head, is_entry)


def event_of(data: Members) -> Event | None:
    inner = parsed(data.get("properties"))
    return entra.event_of(inner if isinstance(inner, dict) else data, data)


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return read_documents(stream, reading, is_entry, event_of)
