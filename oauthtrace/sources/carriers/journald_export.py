"""systemd's journal as ``journalctl -o export`` writes it: https://systemd.io/JOURNAL_EXPORT_FORMATS/.

``FIELD=value`` a line, an empty line behind each record; a value that is not plain text stands as ``FIELD``, a newline,
its length in 8 bytes (little endian), the bytes, a newline.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from oauthtrace.sources.carriers import Inner, Setting
from oauthtrace.sources.carriers.journald_json import inner_of

NAME = "journald-export"
TITLE = "systemd journal, journalctl -o export"
LONGEST = 1 << 24
"""Bytes of one value."""


class BrokenExport(Exception):  # noqa: N818 - it names what is wrong
    """The export can't be read on; the message says why."""


def sniff(head: bytes) -> float:
    return 1.0 if is_document(head) else 0.0


def is_document(head: bytes) -> bool:
    """Always: records span lines."""
    return head.startswith(b"__CURSOR=") and b"\n__REALTIME_TIMESTAMP=" in head


def records(stream: BinaryIO, _: Setting) -> Iterator[Inner]:
    lines = io.BufferedReader(stream) if isinstance(stream, io.RawIOBase) else stream
    fields: dict[str, str] = {}
    while line := lines.readline(LONGEST):
        name, equals, value = line.rstrip(b"\n").partition(b"=")
        if equals:
            fields[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        elif name:
            fields[name.decode("utf-8", "replace")] = _counted(lines)
        elif fields:
            yield inner_of(fields, fields.get("MESSAGE"))
            fields = {}
    if fields:
        yield inner_of(fields, fields.get("MESSAGE"))


def _counted(lines: BinaryIO) -> str:
    """The value that has its length in front."""
    size = int.from_bytes(lines.read(8), "little")
    if size > LONGEST:
        raise BrokenExport(f"a value of {size:,} bytes: the export is damaged")
    value = lines.read(size)
    if len(value) < size:
        raise BrokenExport("the export is cut off inside a value")
    lines.readline(2)
    return value.decode("utf-8", "replace")
