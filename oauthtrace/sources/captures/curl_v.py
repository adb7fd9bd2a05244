"""What ``curl -v`` reports, alone or mixed with the answer's body, with or without ``--trace-time``; also ``curl -i`` and ``-D``.

Bodies of requests are not shown. There is no date: the answer's own Date header takes its place. The command line itself
(``$ curl …``) is read too, where a shell's record holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from oauthtrace.oauth.observe import CAPTURE, RawExchange
from oauthtrace.sources import Reading, Row, lines, lines_of
from oauthtrace.sources.captures.curl import Transfers
from oauthtrace.sources.captures.exchanges import rows_of

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "curl-v"
TITLE = "report of curl -v (or -i, -D)"
SEES = CAPTURE

_CLOCK = r"(?:\d\d:\d\d:\d\d\.\d{6} )?"
_LINE = re.compile(rf"{_CLOCK}([*<>{{}}]) ?(.*)$")
_INSIDE = re.compile(
    # a line of curl's behind a body that ends without a line break, or behind its progress meter
    r"(?=\d\d:\d\d:\d\d\.\d{6} [*<>{}] )|(?<!\d{6} )(?=\* (?:Connection #|Closing connection|Re-using|Found bundle|Issue another|  Trying|Could not))"
)
_METER = re.compile(r"\s*(?:%\s+Total|Dload\s|\d{1,3}\s+[\d.]+[kMG]?\s+\d{1,3}\s+[\d.]+[kMG]?\s)")
_SENT = re.compile(rf"^{_CLOCK}> [A-Z]{{3,12}} \S+ HTTP/", re.MULTILINE)
_RECEIVED = re.compile(rf"^{_CLOCK}< HTTP/[\d.]+ \d{{3}}", re.MULTILINE)
_DUMP = re.compile(r"HTTP/(?:1\.[01]|2|3) \d{3}\b.*\n(?:[\w-]+:.*\n)+")
_SIZE = re.compile(r"\[\d+ bytes data\]")
_PROMPT = re.compile(r"(?:\S.{0,80})?[$#%+»] +curl\s|curl\s+-")
_STATUS_LINE = re.compile(r"HTTP/[\d.]+ \d{3}\b")
_HEADER_LINE = re.compile(r"[\w-]+: ?\S")
_STARTS = re.compile(
    rf"{_CLOCK}\* +(?:Trying |Connect(?:ed|ing) to |Host \S+ was resolved|Could not resolve|Uses proxy|Re-using)"
)


def sniff(head: bytes) -> float:
    first = [piece for line in lines_of(head) for piece in _pieces(line)]
    text = "\n".join(first)
    if _DUMP.match(text):
        return 0.95
    if not _STARTS.search(text) and not _SENT.search(text):
        return 0.0
    told = sum(bool(_LINE.match(line)) for line in first)
    if _SENT.search(text) or _RECEIVED.search(text):
        return 1.0 if told * 3 >= len(first) else 0.6
    return 0.9 if told * 2 >= len(first) else 0.0


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return rows_of(_exchanges(stream, reading), reading)


def _exchanges(stream: BinaryIO, reading: Reading) -> Iterator[tuple[int, RawExchange]]:
    report = _Report()
    for number, whole in lines.matching(stream, None, reading):
        for line in _pieces(whole):
            match = _LINE.match(line)
            if match is not None and not (match[1] in "{}" and not _SIZE.match(match[2])):
                yield from report.marked(match[1], match[2].rstrip(), number)
            else:
                yield from report.plain(line, number)
    yield from report.transfers.end()


def _pieces(whole: str) -> list[str]:
    """What curl wrote on one line, one thing after the other; its progress meter is left out."""
    pieces = _INSIDE.split(whole.rpartition("\r")[2] or whole)
    return [piece for piece in pieces if piece and not _METER.match(piece)]


class _Report:
    """The lines of a report, one after the other."""

    def __init__(self) -> None:
        self.transfers = Transfers(SEES)
        self._in_plain_head = False

    def marked(self, sign: str, text: str, number: int) -> Iterator[tuple[int, RawExchange]]:
        """A line that curl has marked."""
        self._in_plain_head = False
        if sign == "*":
            yield from self.transfers.note(text, number)
        elif sign == ">":
            yield from self.transfers.sent_head([text], number)
        elif sign == "<":
            yield from self.transfers.received_head([text], number)
        elif sign == "}":
            self.transfers.sent_data(None)

    def plain(self, line: str, number: int) -> Iterator[tuple[int, RawExchange]]:
        """A line that it has not: of the answer's body, of a head as ``-i`` shows it, a command, an error."""
        if line.startswith("curl: ("):
            yield from self.transfers.note(line, number)
        elif _PROMPT.match(line):
            yield from self.transfers.end()
            self.transfers.command(line)
        elif _STATUS_LINE.match(line) and not self.transfers.in_answer:
            self._in_plain_head = True
            yield from self.transfers.received_head([line], number)
        elif self._in_plain_head and _HEADER_LINE.match(line):
            yield from self.transfers.received_head([line], number)
        else:
            self._in_plain_head = False
            self.transfers.received_data(f"{line}\n".encode())
