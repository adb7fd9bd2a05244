"""logfmt, ``key=value key="quoted text" flag``: https://brandur.org/logfmt; Go's slog, logrus, Heroku and Traefik write it.

A line whose keys tell of a request (method, path, status) is an exchange; else the line in ``msg`` counts, when it is one
of a known format. What is neither stays as it is, and is read as text.
"""

from __future__ import annotations

import json
import re

from oauthtrace.sources import carriers
from oauthtrace.sources.carriers import Inner, Setting
from oauthtrace.sources.times import to_epoch

NAME = "logfmt"
TITLE = "logfmt lines around requests or lines of another log"
SOFT = True
CLOSED = carriers.JSON_CLOSED
_PAIR = re.compile(r'(?:^|(?<=\s))([A-Za-z_@][\w.\[\]/@-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?=\s|$)')
_TIMES = ("time", "ts", "timestamp", "t", "@timestamp")
_MESSAGES = ("msg", "message", "line", "log")
_ACCESS = ("method", "request_method", "http.method", "http_method", "RequestMethod", "verb", "request")
_STATUS = ("status", "status_code", "http.status_code", "http_status", "response_code", "code", "DownstreamStatus")
_FEWEST = 3


def sniff(head: bytes) -> float:
    return 0.9 * carriers.share(head, peel)


def peel(line: str, setting: Setting) -> list[Inner] | None:
    fields = fields_of(line)
    if len(fields) < _FEWEST:
        return None
    stamp = next((fields[name] for name in _TIMES if fields.get(name)), None)
    time = to_epoch(stamp, setting.zone) if stamp else None
    zoned = (bool(stamp) and (stamp or "")[-1:] == "Z") or bool(re.search(r"[+-]\d\d:?\d\d$", stamp or ""))
    if any(name in fields for name in _ACCESS) and (status := next((n for n in _STATUS if n in fields), None)):
        return [Inner(json.dumps({**fields, "status": fields[status]}, ensure_ascii=False), time, zoned)]
    text = next((fields[name] for name in _MESSAGES if fields.get(name)), None)
    return None if text is None else [Inner(text, time, zoned, level=fields.get("level", fields.get("lvl", "")))]


def fields_of(line: str) -> dict[str, str]:
    """The pairs of a line, quotes and their escapes undone; empty when the line is not made of pairs."""
    found = {}
    covered = 0
    for match in _PAIR.finditer(line):
        covered += len(match[0]) + 1
        value = match[2]
        if value.startswith('"'):
            try:
                value = json.loads(value)
            except ValueError:
                value = value[1:-1]
        found[match[1]] = str(value)
    return found if covered >= 0.8 * len(line.strip()) else {}
