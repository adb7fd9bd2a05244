"""Keycloak's server log with events of ``org.keycloak.events`` (event listener ``jboss-logging``), old and new releases.

``yyyy-MM-dd HH:mm:ss,SSS LEVEL [org.keycloak.events] (thread) type="LOGIN_ERROR", realmId="…", …``; up to release 21
values stand bare or in single quotes. Times are local. Source: ``JBossLoggingEventListenerProvider``, and
https://www.keycloak.org/server/logging.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo
from typing import BinaryIO

from oauthtrace.sources import Reading, Row, lines, text
from oauthtrace.sources.events import keycloak
from oauthtrace.sources.events.entries import SEES, row_of, share_of_lines
from oauthtrace.sources.times import to_epoch

__all__ = ["BY_LINE", "NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "keycloak-text"
TITLE = "Keycloak's events in its server log, text"
BY_LINE = True

_BEGINS = re.compile(r'\btype="?[A-Z][A-Z0-9_]+"?, (?:realm(?:Id|Name)|clientId)=')
_FIELD = re.compile(r"""(\w+)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(.*?))(?=, \w+=|\s*$)""")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)[,.](\d{1,9})(Z|[+-]\d\d:?\d\d)?")
_OTHER_LOGGER = re.compile(r"\b(?:WARN|ERROR|FATAL)\b")
PREFILTER = rf"{_BEGINS.pattern}|org\.keycloak\.(?:services|protocol|broker|authentication)"


def fields_of(line: str) -> dict[str, str] | None:
    """The fields of an event's text, ``type`` and all; None when it is none."""
    begins = _BEGINS.search(line)
    if begins is None:
        return None
    return {m[1]: next((v for v in m.groups()[1:] if v is not None), "") for m in _FIELD.finditer(line, begins.start())}


def sniff(head: bytes) -> float:
    return share_of_lines(head, lambda line: not line.lstrip().startswith("{") and _BEGINS.search(line))


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    for number, line in lines.matching(stream, PREFILTER, reading):
        if (fields := fields_of(line)) is None:  # the server's own words, of another logger
            if _OTHER_LOGGER.search(line):
                yield from text.read_entry(text.Entry(number, line), reading)
        elif (event := keycloak.event(fields, _time(line, reading.zone))) is not None:
            yield reading.place(row_of(event, reading.redactor), number)


def _time(line: str, zone: tzinfo) -> float | None:
    stamp = _TIME.search(line[:80])
    return to_epoch(f"{stamp[1]}T{stamp[2]}.{stamp[3]}{stamp[4] or ''}", zone) if stamp else None
