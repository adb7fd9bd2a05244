r"""Access logs in the ``combined`` format of nginx and Apache (also common, vhost_combined and nginx's ``main``).

https://nginx.org/en/docs/http/ngx_http_log_module.html, https://httpd.apache.org/docs/2.4/mod/mod_log_config.html

They show the query string (authorize request, redirect with its error), status and time; never a body or a header. The
second field is the user name of HTTP Basic, which at a token endpoint is the client_id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from oauthtrace.oauth.observe import ACCESS_LOG, RawExchange
from oauthtrace.sources import Reading, Row, access, lines_of
from oauthtrace.sources.times import clf_time

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


def sniff(head: bytes) -> float:
    first = lines_of(head)
    share = sum(LINE.match(line) is not None for line in first) / len(first) if first else 0.0
    return share if share >= PURE else share * 0.5  # a mixed stream is text, read line by line as what each line is


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
    return access.read_lines(stream, reading, raw_of)
