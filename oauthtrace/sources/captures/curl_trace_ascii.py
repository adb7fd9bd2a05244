"""Traces of curl with all bytes: ``--trace-ascii FILE``, ``--trace FILE`` (hexadecimal), with or without ``--trace-time``.

In the first the offsets tell where a CR LF stood; other bytes that can't be shown are dots. There is no date: the
answer's own Date header takes its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import BinaryIO

from oauthtrace.oauth.observe import CAPTURE, RawExchange
from oauthtrace.sources import Reading, Row, lines, lines_of
from oauthtrace.sources.captures.curl import Transfers
from oauthtrace.sources.captures.exchanges import rows_of

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "curl-trace-ascii"
TITLE = "trace of curl (--trace-ascii or --trace)"
SEES = CAPTURE

_PART = re.compile(
    r"(?:\d\d:\d\d:\d\d\.\d{6} )?(?:(== Info:) ?(.*)|(=>|<=) (Send|Recv) (header|data|SSL data)(?:, (\d+) bytes.*)?)$"
)
_TEXT = re.compile(r"([0-9a-f]{4,8}): ?(.*)$")
_HEX = re.compile(r"((?:[0-9a-f]{2} ){1,16}) {0,48}.{0,16}$")
_LOST_BREAK = re.compile(r"(?<=[,{\[])\.(?=\s*[\"{\[}\]])|(?<=[\"}\]\de])\.(?=\s*[}\]])")


def sniff(head: bytes) -> float:
    first = lines_of(head)
    told = sum(bool(_PART.match(line) or _TEXT.match(line)) for line in first)
    return told / len(first) if any(_PART.match(line) for line in first) else 0.0


class _Part:
    """A block of the trace: its kind and its bytes as they are put together."""

    def __init__(self, kind: str, size: int, position: int) -> None:
        self.kind, self.size, self.position = kind, size, position
        self.data = bytearray()

    def add(self, offset: int, text: str) -> None:
        """A line at an offset."""
        match = _HEX.match(text)
        if match is not None and len(text) >= 48:
            self.data += bytes.fromhex(match[1])
            return
        self.data += b"\r\n" * (offset - len(self.data) == 2)
        self.data += text.encode("latin-1", "replace")

    def close(self) -> bytes:
        """The bytes."""
        self.data += b"\r\n" * (self.size - len(self.data) == 2)
        return bytes(self.data)


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return rows_of(map(_mended, _exchanges(stream, reading)), reading)


def _exchanges(stream: BinaryIO, reading: Reading) -> Iterator[tuple[int, RawExchange]]:
    transfers, part = Transfers(SEES), None
    for number, line in lines.matching(stream, None, reading):
        if match := _PART.match(line):
            if part is not None:
                yield from _tell(transfers, part)
            part = None
            if match[1]:
                yield from transfers.note(match[2], number)
            elif match[5] != "SSL data":
                part = _Part(f"{match[4]} {match[5]}", int(match[6] or 0), number)
        elif (match := _TEXT.match(line)) and part is not None:
            part.add(int(match[1], 16), match[2])
        elif part is None:
            transfers.command(line)
            if line.startswith("curl: ("):
                yield from transfers.note(line, number)
    if part is not None:
        yield from _tell(transfers, part)
    yield from transfers.end()


def _tell(transfers: Transfers, part: _Part) -> Iterator[tuple[int, RawExchange]]:
    data = part.close()
    if part.kind == "Send header":
        yield from transfers.sent_head(data.decode("utf-8", "replace").splitlines(), part.position)
    elif part.kind == "Recv header":
        yield from transfers.received_head(data.decode("utf-8", "replace").splitlines(), part.position)
    elif part.kind == "Send data":
        transfers.sent_data(data)
    else:
        transfers.received_data(data)


def _mended(found: tuple[int, RawExchange]) -> tuple[int, RawExchange]:
    """An exchange whose JSON answer has its line breaks back, which the trace shows as dots."""
    body = found[1].answer_body
    if body and body.lstrip()[:1] in ("{", "[") and "." in body:
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            found[1].answer_body = _LOST_BREAK.sub("\n", body)
    return found
