"""From the exchange that a line of an access log tells of to a row: the same for every format of lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, tzinfo
from functools import cache
from typing import Any, BinaryIO

from oauthtrace.oauth.endpoints import CANDIDATE, PATH_IN_LINE
from oauthtrace.oauth.observe import RawExchange, naive_utc, observe
from oauthtrace.sources import Reading, Row, formats, lines
from oauthtrace.sources.repair import parsed

PREFILTER = f"(?i){CANDIDATE}"
"""A superset of the lines that tell of OAuth (Rust regex)."""
MOST_KNOWN = 10_000
"""So many rows are kept to be given again."""
Known = dict[tuple[object, ...], Row | None]
_COMMON_HEADERS = {"user-agent", "referer", "host"}
_AUTHENTICATES = ("token", "introspection", "revocation", "par")


def read_lines(
    stream: BinaryIO,
    reading: Reading,
    raw_of: Callable[[str], RawExchange | str],
    pattern: str = PREFILTER,
    only_paths: str | None = None,
) -> Iterator[Row]:
    """The rows of a log whose every line is an exchange.

    Args:
        stream: the log.
        reading: takes the tally and the rejects.
        raw_of: the exchange of one line, or why it can't be read.
        pattern: lines that do not match it are not parsed (Rust regex).
        only_paths: lines that match it can surely be read and show nothing but a path; those of
            them whose path is no endpoint's are not parsed either.
    """
    return read_entries(stream, reading, lambda line: (raw_of(line),), pattern, only_paths)


def read_entries(
    stream: BinaryIO,
    reading: Reading,
    raws_of: Callable[[str], Sequence[RawExchange | str]],
    pattern: str = PREFILTER,
    only_paths: str | None = None,
) -> Iterator[Row]:
    """The rows of a log whose lines may hold several exchanges each, or none; else like :func:`read_lines`."""
    known: Known = {}
    unless = lines.Unless(only_paths, PATH_IN_LINE) if only_paths else None
    for number, line in lines.matching(stream, pattern, reading, unless):
        raws = raws_of(line)
        reading.records += max(len(raws) - 1, 0)
        for raw in raws:
            if isinstance(raw, str):
                reading.reject(number, raw, line)
            elif (row := row_of(raw, reading, known)) is not None:
                yield reading.place(row, number)


def exchange_in(line: str, zone: tzinfo = UTC) -> RawExchange | None:
    """The exchange of a line of whatever access log it is, those asked first whose lines look like no other's."""
    texts, objects = _readers()
    if line.lstrip().startswith("{"):
        data = parsed(line)
        if data is None:
            return None
        fitting = (form for form in objects if form.fits(data))
        raws = (form.raw_of(data, zone) for form in fitting)
    else:
        raws = (form.line_of(line, zone) for form in texts)
    return next((raw for raw in raws if isinstance(raw, RawExchange)), None)


@cache
def _readers() -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The formats that can read a single line, of text and of JSON, the surest first."""
    known = [form for form in formats().values() if hasattr(form, "line_of")]
    known.sort(key=lambda form: -getattr(form, "sure", getattr(form, "SURE", 0.0)))
    objects = tuple(form for form in known if hasattr(form, "fits"))
    return tuple(form for form in known if form not in objects), objects


def row_of(raw: RawExchange, reading: Reading, known: Known | None = None) -> Row | None:
    """The row of an exchange, or None, its host noted, when it is not OAuth's.

    Args:
        raw: the exchange, secrets and all.
        reading: takes the host.
        known: rows of exchanges that were read before; those that differ by when and from where they came alone get the same.
    """
    row = _row(raw, reading) if known is None or not _comes_again(raw) else _known_row(raw, reading, known)
    if row is None:
        absolute = "://" in raw.url and raw.url.count("/") > 2
        reading.hosts[raw.url.split("/", 3)[2].rpartition("@")[2] if absolute else "(host not logged)"] += 1
    return row


def _row(raw: RawExchange, reading: Reading) -> Row | None:
    row = observe(raw, reading.redactor)
    if row is not None and raw.user and row["step"] in _AUTHENTICATES and row.get("client_id") is None:
        row["client_id"] = raw.user  # the user name of HTTP Basic, RFC 6749 section 2.3.1
        row["auth_method"] = "client_secret_basic"
    return row


def _comes_again(raw: RawExchange) -> bool:
    """Whether an exchange shows nothing that only one exchange has, secrets among it: then many lines tell of its like."""
    if raw.request_body or raw.answer_body or raw.answer_headers or raw.request_id or _has_query(raw.url):
        return False
    headers = raw.request_headers
    return headers.keys() <= _COMMON_HEADERS and not _has_query(headers.get("referer", ""))


def _has_query(url: str) -> bool:
    return "?" in url or "#" in url


def _known_row(raw: RawExchange, reading: Reading, known: Known) -> Row | None:
    key = (
        raw.method, raw.url, raw.status, raw.user, raw.note, raw.code, raw.step, raw.transport_error, raw.sees, raw.facts,
        *raw.request_headers.items(),
    )  # fmt: skip
    if key not in known:
        if len(known) >= MOST_KNOWN:
            known.clear()
        known[key] = _row(raw, reading)
    if (row := known[key]) is None:
        return None
    when_and_whence = {
        "time": naive_utc(raw.time),
        "duration_ms": raw.duration_ms,
        "client_address": raw.client_address,
    }
    return row | when_and_whence
