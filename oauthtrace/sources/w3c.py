"""Logs in the W3C extended format, https://www.w3.org/TR/WD-logfile.html: fields as ``#Fields`` names them, at the top and again after a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources import Reading, Row, access

Fields = list[str]


def named(line: str) -> Fields | None:
    """The fields that a line names; None of any other line."""
    return line.split()[1:] if line.startswith("#Fields:") else None


def read(
    stream: BinaryIO,
    reading: Reading,
    fields: Fields,
    raw_of: Callable[[str, Fields], RawExchange | str],
    named: Callable[[str], Fields | None] = named,
) -> Iterator[Row]:
    """The rows of a log.

    Args:
        stream: the log.
        reading: takes the tally and the rejects.
        fields: their order where nothing names it.
        raw_of: the exchange of a line with these fields, or why it can't be read.
        named: the fields that a line beginning with ``#`` names, if they are this product's.
    """
    current = fields

    def raws_of(line: str) -> list[RawExchange | str]:
        nonlocal current
        if line.startswith("#"):
            current = named(line) or current
            return []
        return [raw_of(line, current)]

    return access.read_entries(stream, reading, raws_of, f"^#Fields|{access.PREFILTER}")
