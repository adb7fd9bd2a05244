"""Opening inputs: folders, globs, standard input, compression by content. Formats know nothing of it."""

from __future__ import annotations

import bz2
import glob
import gzip
import io
import lzma
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast


class UnreadableInput(Exception):  # noqa: N818 - it names what is wrong, as users read it
    """An input that can't be read at all; the message names the file, the reason and the remedy."""


_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
)


def expand(paths: Iterable[str | Path]) -> Iterator[str]:
    """The files that a list of files, folders, globs and ``-`` means, in stable order, each once.

    Raises:
        UnreadableInput: a path that names nothing.
    """
    seen: set[str] = set()
    for given in paths:
        for file in _expand_one(str(given)):
            if file not in seen:
                seen.add(file)
                yield file


def _expand_one(given: str) -> list[str]:
    if given == "-":
        return ["-"]
    path = Path(given)
    if path.is_dir():
        return sorted(
            str(p)
            for p in path.rglob("*")
            if p.is_file() and not any(part.startswith(".") for part in p.relative_to(path).parts)
        )
    if path.exists():
        return [given]
    if matches := sorted(glob.glob(given, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
        return [m for m in matches if Path(m).is_file()]
    raise UnreadableInput(f"{given}: no such file, folder or pattern")


def open_input(file: str) -> BinaryIO:
    """The decompressed bytes of a file, or of standard input for ``-``; gz, zst, bz2 and xz are told by content.

    Raises:
        UnreadableInput: the file can't be opened.
    """
    if file == "-":
        raw: BinaryIO = io.BufferedReader(cast("io.RawIOBase", sys.stdin.buffer))
    else:
        try:
            raw = Path(file).open("rb")  # noqa: SIM115 - the caller closes it
        except OSError as error:
            raise UnreadableInput(f"{file}: {error.strerror or error}") from error
    buffered = cast("io.BufferedReader", raw)
    magic = buffered.peek(8)[:8]
    kind = next((kind for start, kind in _MAGIC if magic.startswith(start)), None)
    if kind == "gz":
        return cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    if kind == "bz2":
        return cast("BinaryIO", bz2.BZ2File(raw))
    if kind == "xz":
        return cast("BinaryIO", lzma.LZMAFile(raw))
    if kind == "zst":
        return io.BufferedReader(_Zst(raw), 1 << 17)
    return raw


def is_compressed(file: str) -> bool:
    """Whether a file's first bytes are those of a known compression."""
    with Path(file).open("rb") as raw:
        return raw.read(8).startswith(tuple(start for start, _ in _MAGIC))


class _Zst(io.RawIOBase):
    """The frames of a zst stream, one after the other; unlike the library's reader it notices when the last is cut off."""

    PIECE_BYTES = 8192
    """Small, since a piece may unpack to thousands of times its size."""

    def __init__(self, raw: BinaryIO) -> None:
        import zstandard  # noqa: PLC0415 - only for the inputs that need it

        self._raw, self._new = raw, zstandard.ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._rest = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._raw.close()
        super().close()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            piece, self._rest = self._rest or self._raw.read(self.PIECE_BYTES), b""
            if not piece:
                if self._frame is not None:
                    raise EOFError("the zst stream is cut off")
                return 0
            frame = self._frame or self._new()
            self._ready = memoryview(frame.decompress(piece))
            self._frame, self._rest = (None, frame.unused_data) if frame.eof else (frame, b"")
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


class Peeked(io.RawIOBase):
    """A stream whose first bytes were read to sniff at, and are read again."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._head:
            size = min(len(buffer), len(self._head))
            buffer[:size], self._head = self._head[:size], self._head[size:]
            return size
        data = self._rest.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def with_head(stream: BinaryIO, size: int) -> tuple[bytes, BinaryIO]:
    """The first bytes of a stream, and the whole stream."""
    head = b""
    while len(head) < size and (more := stream.read(size - len(head))):
        head += more
    return head, io.BufferedReader(Peeked(head, stream), 1 << 20)
