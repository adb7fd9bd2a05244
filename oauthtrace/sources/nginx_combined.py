r"""Access logs in the ``combined`` format of nginx and Apache (also common, vhost_combined and nginx's ``main``).

https://nginx.org/en/docs/http/ngx_http_log_module.html, https://httpd.apache.org/docs/2.4/mod/mod_log_config.html

They show the query string (authorize request, redirect with its error), status and time; never a body or a header. The
second field is the user name of HTTP Basic, which at a token endpoint is the client_id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import BinaryIO

from oauthtrace.oauth.endpoints import CANDIDATE
from oauthtrace.oauth.observe import ACCESS_LOG, RawExchange, observe
from oauthtrace.sources import Reading, Row, lines, lines_of

NAME = "nginx-combined"
TITLE = "nginx and Apache access log: combined, common, vhost_combined, main"
SEES = ACCESS_LOG
BY_LINE = True

PURE = 0.9
"""Share of lines from which on a file counts as an access log."""

LINE = re.compile(
    r"^(?:(?P<vhost>[\w.-]+:\d+) )?(?P<client>\S+) \S+ (?P<user>.+?) \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}[: ]\d\d:\d\d:\d\d(?: [+-]\d{4})?)\]"
    r' "(?P<request>[^"\\]*(?:\\.[^"\\]*)*)" (?P<status>\d{3}|-)(?: (?P<bytes>\d+|-))?(?: "(?P<referer>[^"\\]*(?:\\.[^"\\]*)*)" "(?P<agent>[^"\\]*(?:\\.[^"\\]*)*)")?(?P<tail>.*)$'
)
_REQUEST = re.compile(r"^([A-Z]{3,10}) (\S+)(?: HTTP/[\d.]+)?$")
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})|\\([\"\\])")
_MONTHS = {
    m: i for i, m in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}


def sniff(head: bytes) -> float:
    first = lines_of(head)
    share = sum(LINE.match(line) is not None for line in first) / len(first) if first else 0.0
    return share if share >= PURE else share * 0.5  # a mixed stream is text, read line by line as what each line is


@lru_cache(maxsize=4096)
def clf_time(text: str) -> float | None:
    """Epoch seconds of ``02/Mar/2026:09:14:05 +0000``; without an offset it counts as UTC."""
    try:
        day, month, year = int(text[:2]), _MONTHS[text[3:6]], int(text[7:11])
        hour, minute, second = int(text[12:14]), int(text[15:17]), int(text[18:20])
        zone = text[21:26]
        offset = timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[3:5])) if zone else timedelta()
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset) if offset else UTC).timestamp()
    except (KeyError, ValueError):
        return None


def raw_of(line: str) -> RawExchange | str:
    """The exchange of one line, or why the line can't be read."""
    match = LINE.match(line)
    if match is None:
        return "not a combined access log line"
    request = _ESCAPE.sub(_unescape, match["request"]) if "\\" in match["request"] else match["request"]
    parts = _REQUEST.match(request)
    if parts is None:
        return "no request line" if request in ("", "-") else "request line is not HTTP"
    target = parts[2]
    if target.startswith("/") and match["vhost"]:
        host, _, port = match["vhost"].partition(":")
        target = f"{'https' if port.endswith('443') else 'http'}://{host}{'' if port in ('80', '443') else ':' + port}{target}"
    headers = {"user-agent": match["agent"]} if match["agent"] not in (None, "-", "") else {}
    if match["referer"] not in (None, "-", ""):
        headers["referer"] = match["referer"]
    status = int(match["status"]) if match["status"] != "-" else None
    user = match["user"] if match["user"] != "-" else None
    facts = ("client left before the answer",) if status == 499 else ()
    return RawExchange(
        method=parts[1],
        url=target,
        time=clf_time(match["time"]),
        request_headers=headers,
        status=status,
        client_address=match["client"],
        user=user,
        sees=ACCESS_LOG,
        facts=facts,
    )


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else match[2]


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    for number, line in lines.matching(stream, f"(?i){CANDIDATE}", reading):
        raw = raw_of(line)
        if isinstance(raw, str):
            reading.reject(number, raw, line)
            continue
        row = observe(raw, reading.redactor)
        if row is None:
            reading.hosts[
                raw.url.split("/", 3)[2].rpartition("@")[2]
                if raw.url.count("/") > 2 and "://" in raw.url
                else "(host not logged)"
            ] += 1
            continue
        if raw.user and row["step"] in ("token", "introspection", "revocation", "par") and row.get("client_id") is None:
            row["client_id"] = raw.user
            row["auth_method"] = "client_secret_basic"
        yield reading.place(row, number)
