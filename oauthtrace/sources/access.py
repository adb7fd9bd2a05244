"""From the exchange that a line of an access log tells of to a row: the same for every format of lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from oauthtrace.oauth.endpoints import CANDIDATE
from oauthtrace.oauth.observe import RawExchange, observe
from oauthtrace.sources import Reading, Row, lines

PREFILTER = f"(?i){CANDIDATE}"
"""A superset of the lines that tell of OAuth (Rust regex)."""
_AUTHENTICATES = ("token", "introspection", "revocation", "par")


def read_lines(
    stream: BinaryIO, reading: Reading, raw_of: Callable[[str], RawExchange | str], pattern: str = PREFILTER
) -> Iterator[Row]:
    """The rows of a log whose every line is an exchange.

    Args:
        stream: the log.
        reading: takes the tally and the rejects.
        raw_of: the exchange of one line, or why it can't be read.
        pattern: lines that do not match it are not parsed (Rust regex).
    """
    for number, line in lines.matching(stream, pattern, reading):
        raw = raw_of(line)
        if isinstance(raw, str):
            reading.reject(number, raw, line)
        elif (row := row_of(raw, reading)) is not None:
            yield reading.place(row, number)


def row_of(raw: RawExchange, reading: Reading) -> Row | None:
    """The row of an exchange, or None, its host noted, when it is not OAuth's."""
    row = observe(raw, reading.redactor)
    if row is None:
        absolute = "://" in raw.url and raw.url.count("/") > 2
        reading.hosts[raw.url.split("/", 3)[2].rpartition("@")[2] if absolute else "(host not logged)"] += 1
        return None
    if raw.user and row["step"] in _AUTHENTICATES and row.get("client_id") is None:
        row["client_id"] = raw.user  # the user name of HTTP Basic, RFC 6749 section 2.3.1
        row["auth_method"] = "client_secret_basic"
    return row
