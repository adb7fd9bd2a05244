"""Lines of big logs: blocks of bounded size, a cheap superset pattern first, numbered lines out.

Any bytes survive: what is not UTF-8 becomes U+FFFD. Memory is bounded by BLOCK_BYTES whatever the file's size; a line
longer than LONGEST_LINE is rejected, not kept.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from oauthtrace.sources import Reading

BLOCK_BYTES = 16 << 20
LONGEST_LINE = 1 << 20


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of a stream, cut at newlines; only the last block may lack one."""
    rest = b""
    while chunk := stream.read(BLOCK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if cut == 0:
            rest += chunk
            continue
        yield rest + chunk[:cut]
        rest = chunk[cut:]
    if rest:
        yield rest


def matching(stream: BinaryIO, pattern: str | None, reading: Reading) -> Iterator[tuple[int, str]]:
    """(1-based line number, line) of every line that the pattern (Rust regex, null: all) lets pass; counts all records."""
    before = 0
    for block in blocks(stream):
        clean = block.replace(b"\x01", b" ") if b"\x01" in block else block
        frame = pl.read_csv(
            io.BytesIO(clean),
            separator="\x01",
            quote_char=None,
            has_header=False,
            encoding="utf8-lossy",
            schema={"line": pl.String},
            infer_schema=False,
        )
        reading.records += frame.height - frame["line"].null_count()
        numbered = frame.with_row_index("number", offset=before + 1).drop_nulls()
        if pattern is not None:
            numbered = numbered.filter(pl.col("line").str.contains(pattern))
        for number, line in zip(numbered["number"].to_list(), numbered["line"].to_list(), strict=True):
            if len(line) > LONGEST_LINE:
                reading.reject(number, f"line of {len(line):,} characters, longer than {LONGEST_LINE:,}", line[:200])
            else:
                yield number, line.rstrip("\r").removeprefix("\ufeff")
        before += frame.height
