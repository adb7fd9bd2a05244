"""Google Workspace's audit log of OAuth tokens and logins (Reports API, applications ``token`` and ``login``).

The token log holds no failures: a user or an administrator gave (``authorize``) or took away (``revoke``) an
application's access, which explains a later ``invalid_grant``. Times are UTC. Source:
https://developers.google.com/workspace/admin/reports/v1/appendix/activity/token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from oauthtrace.sources import Reading, Row
from oauthtrace.sources.events.entries import SEES, Event, Members, pick, read_documents, share, text_at
from oauthtrace.sources.times import to_epoch

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "google-token-audit"
TITLE = "token and login audit log of Google Workspace"
PROVIDER = "google"
STEPS: dict[str, tuple[str, bool]] = {
    "authorize": ("authorization", False),
    "request": ("authorization", False),
    "revoke": ("revocation", False),
    "login_success": ("event", False),
    "login_failure": ("event", True),
}
"""Name of an event -> step, and whether it is a failure. ``activity``, calls of an API, is left out: it is no exchange."""


def is_entry(data: Members) -> bool:
    application = text_at(data, "id.applicationName")
    return application in ("token", "login") and isinstance(data.get("events"), list)


def sniff(head: bytes) -> float:
    return share(head, is_entry)


def event_of(data: Members) -> Event | None:
    """The first event of an activity that tells of an exchange; the others of one activity are about the same."""
    listed = [event for event in data["events"] if isinstance(event, Mapping) and str(event.get("name")) in STEPS]
    if not listed:
        return None
    name = str(listed[0]["name"])
    step, failed = STEPS[name]
    parameters = _parameters(listed[0])
    reason = parameters.get("login_failure_type")
    return Event(
        PROVIDER,
        name,
        failed=failed,
        step=step,
        time=to_epoch(pick(data, "id.time")),
        client_id=parameters.get("client_id"),
        user=text_at(data, "actor.email", "actor.profileId"),
        address=text_at(data, "ipAddress"),
        error=reason or (name if failed else None),
        granted_scope=parameters.get("scope") if name == "authorize" else None,
        scope=parameters.get("scope") if name != "authorize" else None,
    )


def _parameters(event: Members) -> dict[str, str]:
    listed = event.get("parameters")
    return {
        str(one["name"]): text
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, Mapping) and "name" in one
        if (text := text_at(one, "value", "multiValue", "intValue", "multiIntValue"))
    }


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return read_documents(stream, reading, is_entry, event_of)
