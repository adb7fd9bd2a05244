"""The journal: what the live hook saw and the database may not hold yet.

A record is one line: the CRC-32 of a JSON text as 8 hex digits, a blank, the JSON text, a line feed. One ``write`` to
a file opened for appending makes a record or several, so that a process that is killed leaves whole records, and at most
one torn line at the end. The first record of a file tells the session; each exchange has the number that it got in its session,
which makes taking it in twice harmless.

The file is ``FILE.journal`` beside the database. It belongs to the process that holds its lock (``flock``), and to
nobody once that process is gone: whoever opens the database next takes it in and removes it. A long session begins a
new file now and then; full ones are called ``FILE.journal.SESSION.NUMBER``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import zlib
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

Record = dict[str, Any]
VERSION = 1
SEGMENT_BYTES = 32 << 20
"""A file that has grown so long is finished, so that what was taken in can be removed."""
READ_BYTES = 4 << 20
WAITING = 10_000
"""So many records are kept in memory while the disk takes none."""
TIMES = ("time", "server_time")
"""Members of an exchange that are moments; JSON holds them as ISO 8601 texts."""


def name_of(database: Path) -> Path:
    """The journal of a database."""
    return database.with_name(f"{database.name}.journal")


def files_of(database: Path) -> list[Path]:
    """All journal files of a database: the finished ones of each session in order, before its last."""
    name = name_of(database).name
    with contextlib.suppress(OSError):
        found = [Path(entry.path) for entry in os.scandir(database.parent) if entry.name.startswith(name)]
        return sorted(found, key=lambda file: (file.name == name, file.name))
    return []


@contextlib.contextmanager
def owned(file: Path) -> Iterator[bool]:
    """Whether this process may take a journal in and remove it: nobody else holds it meanwhile."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# --- writing ------------------------------------------------------------------------------------------------------------


class Journal:
    """A journal that is being written. Never raises when the disk does not take a record: ``trouble`` says why.

    Args:
        path: the file; what another session left there is set aside.
        header: what its first record tells, see :func:`header_of`.
        encode: makes JSON text of a record.
    """

    def __init__(self, path: Path, header: Record, encode: Callable[[Record], bytes]) -> None:
        self.path, self.trouble, self.lost = path, "", 0
        self._name, self._header, self._encode = path, header, encode
        self._waiting: deque[bytes] = deque(maxlen=WAITING)
        self._torn = False
        self._begin(_own(path, header["session"]))

    def _begin(self, descriptor_and_path: tuple[int, Path]) -> None:
        self._descriptor, self.path = descriptor_and_path
        self._size = 0
        self.append(self._header)

    def append(self, *records: Record) -> None:
        """Write some records now, all at once."""
        lines = [self._line(record) for record in records]
        if self._waiting or self._torn:
            self._catch_up(lines)
            return
        try:
            written = os.write(self._descriptor, b"".join(lines))
        except OSError as error:
            self._wait(lines, error)
            return
        self._size += written
        if written < sum(map(len, lines)):
            self._wait(self._not_written(lines, written), OSError(28, "No space left on device"))
        elif self._size > SEGMENT_BYTES:
            self._next_segment()

    def _line(self, record: Record) -> bytes:
        text = self._encoded(record)
        return b"%08x %s\n" % (zlib.crc32(text), text)

    def _encoded(self, record: Record) -> bytes:
        try:
            return self._encode(record)
        except UnicodeEncodeError:  # half a surrogate pair, which mitmproxy makes of bytes that are no text
            return json.dumps(record, default=str).encode()

    def _not_written(self, lines: list[bytes], written: int) -> list[bytes]:
        """The lines of which the disk took none or a part; that part is ended before the next, and fails its checksum."""
        ends = list(accumulate(map(len, lines)))
        whole = bisect_right(ends, written)
        self._torn = written > (ends[whole - 1] if whole else 0)
        return lines[whole:]

    def _wait(self, lines: list[bytes], error: OSError) -> None:
        self.trouble = error.strerror or str(error)
        self.lost += max(len(self._waiting) + len(lines) - WAITING, 0)
        self._waiting.extend(lines)

    def _catch_up(self, lines: list[bytes]) -> None:
        """Try again what the disk did not take."""
        self._wait(lines, OSError(self.trouble or "waiting"))
        try:
            while self._waiting:
                data = b"\n" * self._torn + self._waiting[0]
                written = os.write(self._descriptor, data)
                self._torn = written < len(data)
                if self._torn:
                    return
                self._size += written
                self._waiting.popleft()
        except OSError as error:
            self.trouble = error.strerror or str(error)
            return
        self.trouble = ""

    def _next_segment(self) -> None:
        """Set the full file aside and go on in a new one; where that fails the full one goes on growing."""
        number = self._header["segment"]
        finished = self._name.with_name(f"{self._name.name}.{self._header['session']}.{number:06}")
        self._size = 0
        with contextlib.suppress(OSError):
            following = self.path.with_name(f"{finished.name}.next")
            descriptor = os.open(following, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            _lock(descriptor)
            self.path.rename(finished)
            following.rename(self.path)
            os.close(self._descriptor)
            self._header = {**self._header, "segment": number + 1}
            self._begin((descriptor, self.path))

    def close(self) -> None:
        """Let go of the file: from now on anybody may take it in."""
        if self._waiting:
            self._catch_up([])
        os.close(self._descriptor)


def header_of(key_check: str, label: str, began: datetime) -> Record:
    """The first record of a journal.

    Args:
        key_check: tells with which key the fingerprints were made, and nothing about that key.
        label: what the exchanges' ``source_file`` is.
        began: UTC without zone.
    """
    return {
        "journal": VERSION,
        "session": secrets.token_hex(8),
        "segment": 0,
        "key_check": key_check,
        "label": label,
        "began": began.isoformat(),
    }


def _own(path: Path, session: str) -> tuple[int, Path]:
    """A new, locked journal file.

    Raises:
        OSError: the folder can't be written.
    """
    for _ in range(10):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if not _lock(descriptor):  # another capture into the same database goes on
            os.close(descriptor)
            path = path.with_name(f"{path.name}.{session}.last")
        elif not os.path.samestat(os.fstat(descriptor), os.stat(path)):  # noqa: PTH116 - taken in and removed a moment ago
            os.close(descriptor)
        elif os.fstat(descriptor).st_size:  # left behind by a capture that was killed
            path.rename(path.with_name(f"{path.name}.{secrets.token_hex(8)}.last"))
            os.close(descriptor)
        else:
            return descriptor, path
    raise FileExistsError(17, "File exists", str(path))


# --- reading ------------------------------------------------------------------------------------------------------------


class Part(NamedTuple):
    """Some records of a journal, how many bytes they took, and how many lines were no whole record."""

    records: list[Record]
    size: int
    damaged: int


def parse(data: bytes) -> Part:
    """The whole records at the beginning of some bytes; a line at the end without its line feed is left for later."""
    size = data.rfind(b"\n") + 1
    records, damaged = [], 0
    for line in data[:size].split(b"\n")[:-1]:
        record = _record(line)
        if record is not None:
            records.append(record)
        elif line:
            damaged += 1
    return Part(records, size, damaged)


def read(file: Path, position: int = 0) -> Part:
    """The next records from a position (bytes) on.

    Raises:
        OSError: the file can't be read.
    """
    with file.open("rb") as stream:
        stream.seek(position)
        data = stream.read(READ_BYTES)
        while b"\n" not in data and (more := stream.read(READ_BYTES)):
            data += more
    return parse(data)


def first(file: Path) -> Part:
    """The first record alone, if it is whole.

    Raises:
        OSError: the file can't be read.
    """
    with file.open("rb") as stream:
        return parse(stream.readline(READ_BYTES))


class Follower:
    """Reads a journal while it is written, from its beginning, over all its files.

    Args:
        file: the journal.

    Raises:
        OSError: it can't be read.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor = os.open(file, os.O_RDONLY)
        self._position = 0

    def read(self) -> list[Record]:
        """The records that came since."""
        records: list[Record] = []
        while True:
            part = parse(os.pread(self._descriptor, READ_BYTES, self._position))
            self._position += part.size
            records += part.records
            if not part.size and not self._next_file():
                return records

    def _next_file(self) -> bool:
        """Go on in the file that took this one's place; what is left of this one was read before."""
        try:
            descriptor = os.open(self._file, os.O_RDONLY)
        except OSError:
            return False
        is_same = os.path.samestat(os.fstat(descriptor), os.fstat(self._descriptor))
        if is_same or os.fstat(self._descriptor).st_size > self._position:
            os.close(descriptor)
            return False
        os.close(self._descriptor)
        self._descriptor, self._position = descriptor, 0
        return True


def _record(line: bytes) -> Record | None:
    try:
        if len(line) < 10 or zlib.crc32(line[9:]) != int(line[:8], 16):
            return None
        record = json.loads(line[9:])
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    row = record.get("row")
    if isinstance(row, dict):
        for name in TIMES:
            if row.get(name):
                row[name] = datetime.fromisoformat(row[name])
    return record


class Tally(NamedTuple):
    """How many flows a session saw, whether they were OAuth's or not, and of which hosts."""

    records: int
    hosts: Counter[str]

    def record(self) -> Record:
        """As the journal holds it."""
        return {"seen": self.records, "hosts": dict(self.hosts.most_common(50))}
