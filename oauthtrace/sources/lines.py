"""Lines of big logs: blocks of bounded size, a cheap superset pattern first, numbered lines out.

Any bytes survive: what is not UTF-8 becomes U+FFFD. Memory is bounded by BLOCK_BYTES whatever the file's size; a line
longer than LONGEST_LINE is rejected, not kept.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, NamedTuple

import polars as pl

from oauthtrace.sources import Reading

BLOCK_BYTES = 16 << 20
LONGEST_LINE = 1 << 20
"""Characters."""
_TOO_LONG_BYTES = 4 * LONGEST_LINE + 4
"""So many bytes hold more than LONGEST_LINE characters, whatever they are."""


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of a stream, cut at newlines; only the last block may lack one. A line too long to keep is cut short."""
    rest = b""
    while chunk := stream.read(BLOCK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if cut == 0:
            rest = (rest + chunk)[:_TOO_LONG_BYTES]
            continue
        yield b"".join((rest, memoryview(chunk)[:cut]))
        rest = chunk[cut:]
    if rest:
        yield rest


_LIKE_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
"""Beginnings that polars takes for compressed data and unpacks; here they are a line like any other."""


def frame_of(block: bytes) -> pl.DataFrame:
    """The lines of a block as column ``line``; an empty line is null."""
    clean = block.replace(b"\x01", b" ") if b"\x01" in block else block
    guarded = clean.startswith(_LIKE_COMPRESSED)
    frame = pl.read_csv(
        io.BytesIO(b"\n" + clean if guarded else clean),
        separator="\x01",
        quote_char=None,
        has_header=False,
        encoding="utf8-lossy",
        schema={"line": pl.String},
        infer_schema=False,
    )
    return frame.slice(1) if guarded else frame


class Unless(NamedTuple):
    """Lines that need not be parsed although they passed: those that match ``shape`` and not ``tells`` (Rust regexes)."""

    shape: str
    tells: str


class _Passed(NamedTuple):
    """What is left of a block: how many lines and records it had, and the lines that passed with their 0-based places."""

    lines: int
    records: int
    places: list[int]
    texts: list[str]


def _pass(block: bytes, pattern: str | None, unless: Unless | None) -> _Passed:
    frame = frame_of(block)
    line = pl.col("line")
    may_tell = line.is_not_null() if pattern is None else line.str.contains(pattern)
    wanted = frame.lazy().with_row_index("place").filter(may_tell).collect()
    if unless is not None:
        wanted = wanted.filter(~line.str.contains(unless.shape) | line.str.contains(unless.tells))
    records = frame.height - frame["line"].null_count()
    return _Passed(frame.height, records, wanted["place"].to_list(), wanted["line"].to_list())


def _ahead(stream: BinaryIO, pattern: str | None, unless: Unless | None) -> Iterator[_Passed]:
    """The blocks of a stream, each read and filtered by another thread while the one before it is worked on."""
    source = blocks(stream)

    def step() -> _Passed | None:
        block = next(source, None)
        return None if block is None else _pass(block, pattern, unless)

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(step)
        while (passed := coming.result()) is not None:
            coming = pool.submit(step)
            yield passed


def matching(
    stream: BinaryIO, pattern: str | None, reading: Reading, unless: Unless | None = None
) -> Iterator[tuple[int, str]]:
    """(1-based line number, line) of every line that the pattern (Rust regex, null: all) lets pass; counts all records."""
    before = 1
    if pattern is not None and (narrow := getattr(stream, "narrow", None)) is not None:
        narrow(pattern)  # lines that stand in carriers need not be unpacked to be passed over
    for passed in _ahead(stream, pattern, unless):
        reading.records += passed.records
        for place, line in zip(passed.places, passed.texts, strict=True):
            if len(line) > LONGEST_LINE:
                reading.reject(before + place, f"line of more than {LONGEST_LINE:,} characters", line[:200])
            else:
                yield before + place, line.rstrip("\r").removeprefix("\ufeff")
        before += passed.lines
