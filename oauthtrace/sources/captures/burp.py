"""Items saved by Burp Suite (Proxy history, "Save items"): XML around raw HTTP messages, base64 or not.

Times are Java's, with the name of a zone and no duration. The document begins with a DTD of elements only; one that
declares an entity is refused. Source:
https://portswigger.net/burp/documentation/desktop/tools/proxy/http-history.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, BinaryIO
from xml.parsers import expat

from oauthtrace.oauth.observe import CAPTURE, RawExchange
from oauthtrace.sources import Reading, Row
from oauthtrace.sources.captures.exchanges import exchange_of, from_base64, rows_of

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "burp"
TITLE = "items saved by Burp Suite, XML"
SEES = CAPTURE
PIECE_BYTES = 1 << 20
_HOURS = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "IST": 5.5,
    "SGT": 8, "HKT": 8, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13, "BRT": -3, "EDT": -4, "EST": -5,
    "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8,
}  # fmt: skip
"""Zone names that Java writes -> hours from UTC; where a name is used twice, the more frequent."""
_TIME = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2} \d{2} \d\d:\d\d:\d\d) (\S+) (\d{4})$")
_OFFSET = re.compile(r"(?:GMT|UTC)?([+-])(\d\d):?(\d\d)$")

Item = dict[str, tuple[str, bool]]
"""Element of an item -> its text, and whether that is base64."""


def sniff(head: bytes) -> float:
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    return 1.0 if start.startswith(b"<") and re.search(rb"<items\s[^>]*burpVersion=", head) else 0.0


class _Items:
    """Items of a document, as its pieces are fed."""

    def __init__(self) -> None:
        self.ready: list[Item] = []
        self._item: Item | None = None
        self._name, self._encoded, self._text = "", False, [""]
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = self._entity

    def feed(self, data: bytes, *, last: bool) -> None:
        """Parse on.

        Raises:
            xml.parsers.expat.ExpatError: the document is broken or cut off.
            ValueError: it declares an entity.
        """
        self._parser.Parse(data, last)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "item":
            self._item = {}
        self._name, self._encoded, self._text = name, attributes.get("base64") == "true", []

    def _end(self, name: str) -> None:
        if self._item is None:
            return
        if name == "item":
            self.ready.append(self._item)
            self._item = None
        elif name == self._name:
            self._item[name] = ("".join(self._text), self._encoded)

    def _characters(self, data: str) -> None:
        self._text.append(data)

    @staticmethod
    def _entity(*_: Any) -> None:
        raise ValueError("the document declares an entity, which Burp never does")


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return rows_of(_exchanges(stream, reading), reading)


def _exchanges(stream: BinaryIO, reading: Reading) -> Iterator[tuple[int, RawExchange]]:
    items, position, data = _Items(), 0, b" "
    while data:
        data = stream.read(PIECE_BYTES)
        try:
            items.feed(data, last=not data)
        except (expat.ExpatError, ValueError) as error:
            reading.reject(position, f"not whole XML, read up to the last whole item: {error}")
            data = b""
        for item in items.ready:
            reading.records += 1
            yield position, _exchange(item, reading.zone)
            position += 1
        items.ready.clear()


def _exchange(item: Item, zone: tzinfo) -> RawExchange:
    def message(name: str) -> bytes:
        text, encoded = item.get(name, ("", False))
        return from_base64(text) if encoded else text.encode("utf-8", "surrogatepass")

    raw = exchange_of(
        message("request"),
        message("response"),
        item.get("url", ("", False))[0].strip(),
        time=time_of(item.get("time", ("", False))[0].strip(), zone),
    )
    raw.method = item.get("method", ("", False))[0].strip().upper() or raw.method
    return raw


def time_of(text: str, zone: tzinfo) -> float | None:
    """Epoch seconds of ``Mon Mar 02 09:14:20 CET 2026``; a zone that is not known counts as the one assumed."""
    match = _TIME.match(text)
    if match is None:
        return None
    name = match[2]
    if offset := _OFFSET.match(name):
        sign = -1 if offset[1] == "-" else 1
        zone = timezone(sign * timedelta(hours=int(offset[2]), minutes=int(offset[3])))
    elif name in _HOURS:
        zone = timezone(timedelta(hours=_HOURS[name])) if _HOURS[name] else UTC
    try:
        return datetime.strptime(f"{match[1]} {match[3]}", "%b %d %H:%M:%S %Y").replace(tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        return None
