"""Flow files of mitmproxy (https://docs.mitmproxy.org/stable/): ``mitmdump -w FILE``. Needs the extra ``capture``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from oauthtrace.oauth import endpoints, errors
from oauthtrace.oauth.observe import CAPTURE, RawExchange, lower_headers, observe
from oauthtrace.sources import Reading, Row

if TYPE_CHECKING:
    from mitmproxy.http import HTTPFlow

NAME = "mitmproxy-flow"
TITLE = "flow file of mitmproxy, mitmdump or mitmweb"
SEES = CAPTURE
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
    return RawExchange(
        method=request.method.upper(),
        url=request.pretty_url,
        time=request.timestamp_start,
        duration_ms=(ended - request.timestamp_start) * 1000 if ended else None,
        request_headers=lower_headers(request.headers.items(multi=True)),
        request_body=_text(request),
        status=response.status_code if response else None,
        answer_headers=lower_headers(response.headers.items(multi=True)) if response else {},
        answer_body=_text(response) if response else None,
        transport_error=None if response else (error or "no answer"),
        client_address=peer[0] if peer else None,
        note=error if response else None,
    )


def _text(message: Any) -> str | None:
    raw = message.raw_content
    if raw is None or len(raw) > MOST_BODY:
        return None
    text = message.get_text(strict=False)
    return text if isinstance(text, str) else None
