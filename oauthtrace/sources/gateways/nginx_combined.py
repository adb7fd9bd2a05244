r"""Access logs in the ``combined`` format of nginx and Apache, also nginx's ``main`` and what operators append to it.

https://nginx.org/en/docs/http/ngx_http_log_module.html, https://httpd.apache.org/docs/2.4/mod/mod_log_config.html

They show the query string (authorize request, redirect with its error), status and time; never a body or a header. The
second field is the user name of HTTP Basic, which at a token endpoint is the client_id. Apache's ``common`` and
``vhost_combined`` are formats of their own, read by the same function.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, tzinfo
from typing import BinaryIO

from oauthtrace.oauth.observe import ACCESS_LOG, RawExchange
from oauthtrace.sources import Reading, Row, access, lines_of
from oauthtrace.sources.log_format import PURE
from oauthtrace.sources.times import clf_time

NAME = "nginx-combined"
TITLE = "nginx and Apache access log: combined, main"
SEES = ACCESS_LOG
BY_LINE = True
SURE = 0.9
"""Score of a file all of whose lines fit: other products append their own fields to this layout."""

_QUOTED = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
_TIME = r"\[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}[: ]\d\d:\d\d:\d\d(?: [+-]\d{4})?)\]"
_STATUS = r"(?P<status>\d{3}|-)"
LINE = re.compile(
    rf"(?:(?P<vhost>[\w.-]++:\d++) )?(?P<client>\S++) \S++ (?P<user>.+?) {_TIME}"
    rf' "(?P<request>{_QUOTED})" {_STATUS}(?: (?:\d++|-))?(?: "(?P<referer>{_QUOTED})" "(?P<agent>{_QUOTED})")?'
)
_TARGET = r'/(?:[^/\s"\\?#\x00-\x1f][^\s"\\?#\x00-\x1f]*)?'
ONLY_PATH = rf'^[\da-fA-F.:]+ \S+ [^\[]+ {_TIME} "[A-Z]{{3,10}} {_TARGET}(?: HTTP/[\d.]+)?" {_STATUS}(?:\s|$)'
"""Lines of these that hold no query, and no host (Rust regex)."""
_REQUEST = re.compile(r"^([A-Z]{3,10}) (\S+)(?: HTTP/[\d.]+)?$")
_ABSENT = (None, "-", "")
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})|\\([\"\\])")


def share_of(head: bytes, *, vhost: bool, agent: bool, sure: float) -> float:
    """How sure it is that lines are of this layout, with or without a host before them and an agent behind them."""
    first = lines_of(head)
    hits = 0
    for line in first:
        match = LINE.match(line)
        hits += match is not None and bool(match["vhost"]) == vhost and (match["agent"] is not None) == agent
    share = hits / len(first) if first else 0.0
    return sure * (share if share >= PURE else share * 0.5)


def sniff(head: bytes) -> float:
    first = lines_of(head)
    share = sum(LINE.match(line) is not None for line in first) / len(first) if first else 0.0
    return SURE * (share if share >= PURE else share * 0.5)


def raw_of(line: str, zone: tzinfo = UTC) -> RawExchange | str:
    """The exchange of one line, or why the line can't be read."""
    match = LINE.match(line)
    if match is None:
        return "not a combined access log line"
    vhost, client, user, time, request, status, referer, agent = match.groups()
    parts = _REQUEST.match(_ESCAPE.sub(_unescape, request) if "\\" in request else request)
    if parts is None:
        return "no request line" if request in ("", "-") else "request line is not HTTP"
    method, target = parts.groups()
    if vhost and target.startswith("/"):
        host, _, port = vhost.partition(":")
        target = f"{'https' if port.endswith('443') else 'http'}://{host}{'' if port in ('80', '443') else ':' + port}{target}"
    headers = {"user-agent": agent} if agent not in _ABSENT else {}
    if referer not in _ABSENT:
        headers["referer"] = referer
    return RawExchange(
        method=method,
        url=target,
        time=clf_time(time, zone),
        request_headers=headers,
        status=int(status) if status != "-" else None,
        client_address=client,
        user=user if user not in ("-", '""') else None,
        sees=ACCESS_LOG,
        facts=("client left before the answer",) if status == "499" else (),
    )


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else match[2]


line_of = raw_of


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return access.read_lines(stream, reading, lambda line: raw_of(line, reading.zone), only_paths=ONLY_PATH)
