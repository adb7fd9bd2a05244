"""Flow files of mitmproxy (https://docs.mitmproxy.org/stable/): ``mitmdump -w FILE``. Needs the extra ``capture``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO

from oauthtrace.oauth import endpoints, errors
from oauthtrace.oauth.observe import CAPTURE, RawExchange, observe
from oauthtrace.sources import Reading, Row

if TYPE_CHECKING:
    from mitmproxy.http import HTTPFlow

NAME = "mitmproxy-flow"
TITLE = "flow file of mitmproxy, mitmdump or mitmweb"
SEES = CAPTURE
LONGEST_KNOWN = 200
"""Names of hosts and headers up to this length are remembered: somebody else chooses them."""
MOST_BODY = 1_000_000
"""Longer bodies are no OAuth answer; they are not decoded (bytes)."""


def sniff(head: bytes) -> float:
    return 1.0 if re.match(rb"\d{1,9}:", head) and (b"9:websocket;" in head or b"7:version;" in head) else 0.0


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    try:
        from mitmproxy.exceptions import FlowReadException  # noqa: PLC0415 - the extra is imported where it is needed
        from mitmproxy.http import HTTPFlow  # noqa: PLC0415
        from mitmproxy.io import FlowReader  # noqa: PLC0415
    except ImportError:
        reading.reject(None, "reading flow files needs mitmproxy: pip install 'oauthtrace[capture]'", "")
        return
    learnt: dict[str, str] = {}
    position = -1
    try:
        for flow in FlowReader(stream).stream():
            position += 1
            reading.records += 1
            if not isinstance(flow, HTTPFlow):
                continue
            raw = raw_exchange(flow)
            reading.hosts[flow.request.pretty_host] += 1
            if raw.answer_body and "_endpoint" in raw.answer_body and (document := errors.members(raw.answer_body)):
                learnt |= endpoints.learn(document)
            row = observe(raw, reading.redactor, learnt)
            if row is not None:
                yield reading.place(row, position)
    except FlowReadException as error:
        reading.reject(
            position + 1, f"flow file is cut off or not of a version that the installed mitmproxy reads: {error}", ""
        )


def raw_exchange(flow: HTTPFlow) -> RawExchange:
    """What a flow shows, as the live hook and this reader both see it."""
    request, response = flow.request, flow.response
    error = flow.error.msg if flow.error else None
    ended = (response.timestamp_end if response else None) or (flow.error.timestamp if flow.error else None)
    peer = flow.client_conn.peername if flow.client_conn else None
    headers = header_map(request.headers)
    answer_headers = header_map(response.headers) if response else {}
    return RawExchange(
        method=request.method.upper(),
        url=_url(request, headers),
        time=request.timestamp_start,
        duration_ms=(ended - request.timestamp_start) * 1000 if ended else None,
        request_headers=headers,
        request_body=body_text(request, headers),
        status=response.status_code if response else None,
        answer_headers=answer_headers,
        answer_body=body_text(response, answer_headers) if response else None,
        transport_error=None if response else (error or "no answer"),
        client_address=peer[0] if peer else None,
        note=error if response else None,
    )


def header_map(headers: Any) -> dict[str, str]:
    """Headers of mitmproxy with lower-case names; a repeated header is joined by newlines."""
    out: dict[str, str] = {}
    for name, value in headers.fields:
        key, text = (
            (_known_name if len(name) <= LONGEST_KNOWN else _header_name)(name),
            value.decode("utf-8", "surrogateescape"),
        )
        out[key] = f"{out[key]}\n{text}" if key in out else text
    return out


def _header_name(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape").lower()


_known_name = lru_cache(maxsize=2048)(_header_name)


def _url(request: Any, headers: Mapping[str, str]) -> str:
    """The URL with the name that the client asked for; in transparent mode the request itself knows only an address."""
    host = headers.get("host")
    if host is None or request.data.authority:
        return str(request.pretty_url)
    path = request.path
    origin = _known_origin if len(host) <= LONGEST_KNOWN else _origin
    return origin(request.scheme, host) + ("" if path == "*" else path)


def _origin(scheme: str, host: str) -> str:
    port = ":443" if scheme == "https" else ":80"
    return f"{scheme}://{host.removesuffix(port)}"


_known_origin = lru_cache(maxsize=2048)(_origin)


def body_text(message: Any, headers: Mapping[str, str]) -> str | None:
    """The decoded body of a request or answer; None when it was streamed, or is too long to matter."""
    raw = message.raw_content
    if raw is None or len(raw) > MOST_BODY:
        return None
    if raw.isascii() and "content-encoding" not in headers and b"\0" not in raw and b"\x1b" not in raw:
        return str(raw, "ascii")  # the same in every character set that HTTP meets, and ten times as fast
    text = message.get_text(strict=False)
    return text if isinstance(text, str) else None
