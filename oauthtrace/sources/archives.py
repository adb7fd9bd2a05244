"""Members of zip and tar archives, each an input of its own, named ``archive.zip!folder/access.log``.

A zip file and a plain tar file are read where they lie; a compressed tar, and an archive in an archive, are unpacked
once into a temporary file that has no name. Memory is bounded in any case.
"""

from __future__ import annotations

import calendar
import io
import os
import shutil
import tarfile
import tempfile
import zipfile
from typing import BinaryIO, NamedTuple, Protocol, cast

MARK = "!"
"""Between the names of an archive and of its member."""
DEEPEST = 4
"""Archives inside of each other that are opened."""
HEAD_BYTES = 512
"""So many tell an archive."""
_TAR_AT, _TAR = 257, b"ustar"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


class Member(NamedTuple):
    """A file in an archive: name, and when it was changed last (epoch seconds)."""

    name: str
    changed: float


class Archive(Protocol):
    """An open archive."""

    members: list[Member]

    def open(self, name: str) -> BinaryIO:
        """The bytes of a member; several may be open at a time."""


class _Zip:
    def __init__(self, stream: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(stream)
        self.members = [
            Member(info.filename, float(calendar.timegm((*info.date_time, 0, 0, 0))))
            for info in self._zip.infolist()
            if not info.is_dir()
        ]

    def open(self, name: str) -> BinaryIO:
        return cast("BinaryIO", self._zip.open(name))


class _Tar:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._places = {}
        self.members = []
        with tarfile.open(fileobj=stream, mode="r:", ignore_zeros=False) as tar:
            for info in tar:
                if info.isreg() and not info.issparse():
                    self._places[info.name] = info.offset_data, info.size
                    self.members.append(Member(info.name, float(info.mtime)))

    def open(self, name: str) -> BinaryIO:
        return io.BufferedReader(_Part(self._stream, *self._places[name]), 1 << 20)


class _Part(io.RawIOBase):
    """A part of a file, read without moving the file's own position."""

    def __init__(self, stream: BinaryIO, begin: int, size: int) -> None:
        self._stream, self._begin, self._size, self._at = stream, begin, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        size = max(min(len(buffer), self._size - self._at), 0)
        data = os.pread(self._stream.fileno(), size, self._begin + self._at)
        if len(data) < size and not data:
            raise EOFError("the archive is cut off")
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def is_archive(head: bytes) -> bool:
    """Whether bytes begin a zip or tar archive."""
    return head.startswith(_ZIP) or head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR


def opened(stream: BinaryIO, head: bytes, *, lies_plain: bool) -> Archive:
    """An archive.

    Args:
        stream: its bytes, from the beginning.
        head: the first of them.
        lies_plain: the stream is a file on disk, not what was unpacked from one.

    Raises:
        zipfile.BadZipFile, tarfile.TarError, EOFError, OSError: it is damaged.
    """
    if not lies_plain:
        kept = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the archive
        shutil.copyfileobj(stream, kept, 1 << 20)
        kept.seek(0)
        stream = cast("BinaryIO", kept)
    return _Zip(stream) if head.startswith(_ZIP) else _Tar(stream)
