"""systemd's journal as ``journalctl -o json`` and ``json-pretty`` print it: https://systemd.io/JOURNAL_EXPORT_FORMATS/.

``__REALTIME_TIMESTAMP`` counts microseconds, as text; ``MESSAGE`` is a text, a list of bytes when it is not UTF-8, a list of
texts when it stood there several times, or null when it was too large.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from oauthtrace.sources import carriers
from oauthtrace.sources.carriers import Inner, Setting, json_values
from oauthtrace.sources.times import to_epoch

NAME = "journald-json"
TITLE = "systemd journal, journalctl -o json"
CLOSED = rf'{carriers.JSON_CLOSED}|"MESSAGE"\s*:\s*\['


def sniff(head: bytes) -> float:
    return max(carriers.share(head, peel), json_values.document_share(head, (), _unwrap) if is_document(head) else 0.0)


def peel(line: str, setting: Setting) -> list[Inner] | None:
    return json_values.of_line(line, _unwrap, setting)


def is_document(head: bytes) -> bool:
    """Whether each object spans several lines, or all stand in one array."""
    start = head.lstrip(b"\xef\xbb\xbf\x1e")
    return start.startswith((b"{\n", b"[")) and b"__REALTIME_TIMESTAMP" in start


def records(stream: BinaryIO, setting: Setting) -> Iterator[Inner]:
    return json_values.of_document(stream, (), _unwrap, setting)


def _unwrap(value: Any, _: Setting) -> list[Inner] | None:
    if not isinstance(value, dict) or "__REALTIME_TIMESTAMP" not in value:
        return None
    message = value.get("MESSAGE")
    if isinstance(message, list) and message and not isinstance(message[0], int):
        return [inner_of(value, part) for part in message]
    return [inner_of(value, message)]


def inner_of(fields: dict[str, Any], message: Any) -> Inner:
    """A record of the journal's fields and its message."""
    writer = fields.get("CONTAINER_NAME") or fields.get("SYSLOG_IDENTIFIER") or fields.get("_SYSTEMD_UNIT") or ""
    source = f"{fields.get('_HOSTNAME', '')} {writer} {fields.get('_PID', '')}"
    return Inner(_text(message), to_epoch(fields.get("__REALTIME_TIMESTAMP")), source=source)


def _text(message: Any) -> str:
    if isinstance(message, list):
        message = bytes(n & 255 for n in message if isinstance(n, int)).decode("utf-8", "replace")
    return str(message if message is not None else "").removesuffix("\n")
