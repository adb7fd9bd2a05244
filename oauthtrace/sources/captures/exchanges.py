"""From the exchanges of a capture to rows: what every format of this folder shares."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from importlib import import_module
from typing import Any

from oauthtrace.oauth import endpoints, errors
from oauthtrace.oauth.observe import RawExchange, lower_headers, observe
from oauthtrace.sources import Reading, Row

MOST_BODY = 1_000_000
"""Longer bodies are no OAuth answer: they are not kept (bytes)."""
_TEXTUAL = re.compile(r"json|text|xml|html|urlencoded|javascript|jwt|^$", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]*\r?\n")
_HEADER = re.compile(r"^([!#$%&'*+.^_`|~0-9A-Za-z:-]+?):[ \t]*(.*)$")


def rows_of(found: Iterable[tuple[int, RawExchange]], reading: Reading) -> Iterator[Row]:
    """The rows of numbered exchanges; endpoints are learnt from the discovery documents among them, wherever they stand.

    Exchanges of the same moment, as formats that write whole seconds have them, are put a microsecond apart in their order.
    """
    listed = list(found)
    learnt: dict[str, str] = {}
    moments: Counter[float] = Counter()
    for _, raw in listed:
        if raw.time is not None:
            moments[raw.time] += 1
            raw.time += (moments[raw.time] - 1) / 1e6
        if raw.answer_body and "_endpoint" in raw.answer_body and (document := errors.members(raw.answer_body)):
            learnt |= endpoints.learn(document)
    for position, raw in listed:
        host = raw.url.split("/", 3)[2] if raw.url.count("/") > 2 else raw.url
        reading.hosts[host.rpartition("@")[2].partition("?")[0][:100]] += 1
        row = observe(raw, reading.redactor, learnt)
        if row is not None:
            yield reading.place(row, position)


# --- raw HTTP messages --------------------------------------------------------------------------------------------------


def split_message(message: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    """Start line, headers and body of an HTTP/1.1 message (RFC 9112), lines ended by CR LF or LF."""
    head, gap, body = message.partition(b"\r\n\r\n")
    plain_head, plain_gap, plain_body = message.partition(b"\n\n")
    if plain_gap and (not gap or len(plain_head) < len(head)):
        head, body = plain_head, plain_body
    lines = head.decode("utf-8", "replace").splitlines() or [""]
    return lines[0], [pair for line in lines[1:] if (pair := header_of(line))], body


def header_of(line: str) -> tuple[str, str] | None:
    """Name and value of a header's line; None when it is none."""
    match = _HEADER.match(line)
    return (match[1], match[2].strip()) if match else None


def status_of(line: str) -> int | None:
    """The status in a status line; None when it is none."""
    match = re.match(r"HTTP/[\d.]+\s+(\d{3})\b", line)
    return int(match[1]) if match else None


def body_text(body: bytes, headers: Mapping[str, str]) -> str | None:
    """The text of a body as it went over the wire: chunks joined, decompressed, decoded.

    Args:
        body: bytes behind the head.
        headers: names in lower case.

    Returns:
        None when it is too long, or not text, or packed in a way that can't be undone here.
    """
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _joined(body)
    packing = headers.get("content-encoding", "").strip().lower()
    unpacked = _unpacked(body, packing) if packing not in ("", "identity") else body
    if unpacked is None or len(unpacked) > MOST_BODY or not _TEXTUAL.search(headers.get("content-type", "")):
        return None
    charset = re.search(r"charset=[\"']?([\w-]+)", headers.get("content-type", ""))
    try:
        return unpacked.decode(charset[1] if charset else "utf-8", "replace")
    except LookupError:
        return unpacked.decode("utf-8", "replace")


def _joined(body: bytes) -> bytes:
    """A body without its chunk sizes (RFC 9112 §7.1); as it is when it has none."""
    at, parts = 0, []
    while match := _CHUNK.match(body, at):
        size, start = int(match[1], 16), match.end()
        if size == 0:
            break
        parts.append(body[start : start + size])
        at = start + size
        at += 2 if body[at : at + 2] == b"\r\n" else 1
    return b"".join(parts) if parts else body


def _unpacked(body: bytes, packing: str) -> bytes | None:
    """A body without its content coding, at most a little more than MOST_BODY; None when it can't be undone."""
    try:
        if packing in ("gzip", "x-gzip"):
            return zlib.decompressobj(31).decompress(body, MOST_BODY + 1)
        if packing == "deflate":
            wrapped = body[:1] and (body[0] & 0x0F) == 8
            return zlib.decompressobj(15 if wrapped else -15).decompress(body, MOST_BODY + 1)
        if packing == "zstd":
            return _zstd(body)
        if packing == "br" and (brotli := _brotli()) is not None:
            return bytes(brotli.decompress(body))
    except Exception:  # noqa: BLE001 - each library raises its own; many tools log the body unpacked and keep the header
        return body if body[:1] in (b"{", b"<", b"[") else None
    return None


def _zstd(body: bytes) -> bytes:
    import zstandard  # noqa: PLC0415 - only for the bodies that need it

    return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(body))


@cache
def _brotli() -> Any:
    """Brotli, if it is there: mitmproxy brings it."""
    try:
        return import_module("brotli")
    except ImportError:
        return None


def exchange_of(
    request: bytes, answer: bytes, url: str, *, time: float | None = None, duration_ms: float | None = None, **more: Any
) -> RawExchange:
    """The exchange of two raw HTTP messages.

    Args:
        request: empty where it was not captured.
        answer: empty when none came.
        url: absolute; the start line's own wins when it is absolute too.
        time: epoch seconds.
        duration_ms: milliseconds.
        more: further members of the exchange.
    """
    start, sent, body = split_message(request)
    status_line, received, answer_body = split_message(answer)
    method, _, rest = start.partition(" ")
    target = rest.rpartition(" ")[0] or rest
    headers, answer_headers = lower_headers(sent), lower_headers(received)
    status = status_of(status_line)
    more.setdefault("transport_error", None if status else "no answer")
    return RawExchange(
        method=method.upper() or "GET",
        url=target if "://" in target.partition("?")[0] else url,
        time=time,
        duration_ms=duration_ms,
        request_headers=headers,
        request_body=body_text(body, headers) if body else None,
        status=status,
        answer_headers=answer_headers,
        answer_body=body_text(answer_body, answer_headers) if status else None,
        **more,
    )


def from_base64(text: str) -> bytes:
    """The bytes of base64, however it is broken into lines; as they stand when it is none."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error):
        return text.encode("utf-8", "surrogatepass")


def served_at(answer_headers: Mapping[str, str]) -> float | None:
    """Epoch seconds of an answer's Date header: the server's clock, where a capture has no time of its own."""
    try:
        return parsedate_to_datetime(answer_headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None
