"""Opening inputs: folders, archives, globs, standard input, compression by content. Formats know nothing of it."""

from __future__ import annotations

import bz2
import contextlib
import glob
import io
import lzma
import os
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from oauthtrace.sources import CERTAIN_ENOUGH, HEAD_BYTES, archives, weigh

try:
    from isal import isal_zlib as zlib
except ImportError:  # no wheel for this machine: three times as long
    import zlib  # type: ignore[no-redef]


class UnreadableInput(Exception):  # noqa: N818 - it names what is wrong, as users read it
    """An input that can't be read at all; the message names the file, the reason and the remedy."""


GZIP_BITS = 31
"""What zlib calls a gzip header, a window of any size, and a checksum at the end."""
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
)


NO_LOGS = frozenset({
    ".bat", ".c", ".class", ".go", ".h", ".ipynb", ".jar", ".java", ".js", ".php", ".py", ".pyc", ".rb", ".rs", ".sh", ".so", ".sql", ".ts",
    ".cfg", ".conf", ".crt", ".ini", ".key", ".lock", ".pem", ".service", ".tf", ".toml", ".yaml", ".yml",
    ".css", ".gif", ".htm", ".html", ".ico", ".jpeg", ".jpg", ".map", ".md", ".pdf", ".png", ".rst", ".svg", ".webp", ".woff", ".woff2",
    ".db", ".duckdb", ".sqlite", ".wal",
})  # fmt: skip
"""Endings of what lies beside logs and is none: programs, settings, documents, keys, databases. A folder's or an archive's
files with such a name are passed over; one that is named itself is read."""


class Spooled(Protocol):
    """Standard input as a growing file, while it is followed: see :mod:`oauthtrace.sources.waiting`."""

    file: str
    ended: bool


standard_input: Spooled | None = None
"""What ``-`` is; None where it is read as it is."""
LONGEST_HEAD = 1 << 22
"""So much is looked at where the first line is long."""
DEEPEST = 4
"""Archives inside of each other that are opened."""


def expand(paths: Iterable[str | Path], passed_over: list[str] | None = None) -> Iterator[str]:
    """The files that a list of files, folders, archives, globs and ``-`` means, in stable order, each once.

    Args:
        paths: what is to be read.
        passed_over: takes the files of folders and archives that are no logs by their names.

    Raises:
        UnreadableInput: a path that names nothing.
    """
    seen: set[str] = set()
    for given in paths:
        for place in _expand_one(str(given), passed_over):
            for file in _members(place, passed_over):
                if file not in seen:
                    seen.add(file)
                    yield file


def _expand_one(given: str, passed_over: list[str] | None) -> list[str]:
    if given == "-":
        return ["-"]
    path = Path(given)
    if path.is_dir():
        inside = [
            str(p)
            for p in path.rglob("*")
            if p.is_file() and not any(part.startswith(".") for part in p.relative_to(path).parts)
        ]
        return _logs(sorted(inside), passed_over)
    if path.exists() or _split(given) is not None:
        return [given]
    if matches := sorted(glob.glob(given, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
        return [m for m in matches if Path(m).is_file()]
    raise UnreadableInput(f"{given}: no such file, folder or pattern")


def _logs(files: list[str], passed_over: list[str] | None) -> list[str]:
    """The files that may be logs by their names."""
    if passed_over is not None:
        passed_over += [file for file in files if Path(file).suffix.lower() in NO_LOGS]
    return [file for file in files if Path(file).suffix.lower() not in NO_LOGS]


# --- archives ---------------------------------------------------------------------------------------------------------


def _members(file: str, passed_over: list[str] | None, depth: int = 0) -> Iterator[str]:
    """The members of an archive that may be logs; the file itself when it is none, or a format of its own (SAZ)."""
    try:
        archive = _archive_of(file) if depth < DEEPEST and file != "-" and _is_archive(file) else None
    except Exception:  # noqa: BLE001 - each library raises its own; reading the file says what is wrong
        archive = None
    if archive is None:
        yield file
        return
    names = [m.name for m in archive.members if not any(part.startswith(".") for part in Path(m.name).parts)]
    for name in _logs(names, passed_over):
        yield from _members(f"{file}{archives.MARK}{name}", passed_over, depth + 1)


def _is_archive(file: str) -> bool:
    with open_input(file) as stream:
        head, _ = with_head(stream, archives.HEAD_BYTES)
    return archives.is_archive(head) and weigh(head)[0][0] < CERTAIN_ENOUGH


def _split(file: str) -> tuple[str, str] | None:
    """The archive and the member of ``archive.zip!member``, the innermost archive; None when it is not such a name."""
    if archives.MARK not in file or Path(file).exists():
        return None
    at = file.rfind(archives.MARK)
    while at > 0:
        outer, name = file[:at], file[at + 1 :]
        with contextlib.suppress(Exception):
            if (Path(outer).is_file() or _split(outer)) and any(m.name == name for m in _archive_of(outer).members):
                return outer, name
        at = file.rfind(archives.MARK, 0, at)
    return None


@lru_cache(maxsize=4)
def _archive(file: str, size: int, changed_ns: int) -> archives.Archive:  # noqa: ARG001 - changed, it is another one
    stream = open_input(file)
    plain = isinstance(stream, io.BufferedReader) and _split(file) is None and not is_compressed(file)
    if plain:
        head = stream.read(archives.HEAD_BYTES)
        stream.seek(0)
    else:
        head, stream = with_head(stream, archives.HEAD_BYTES)
    return archives.opened(stream, head, lies_plain=plain)


def _archive_of(file: str) -> archives.Archive:
    stat = file_stat(file)
    return _archive(file, stat.st_size, stat.st_mtime_ns)


def file_stat(file: str) -> os.stat_result:
    """Of a file, or of the file that an archive's member lies in.

    Raises:
        OSError: there is none.
    """
    while (parts := _split(file)) is not None:
        file = parts[0]
    return Path(file).stat()


def path_of(file: str) -> str | None:
    """The file that a name means; None for standard input, which is none."""
    if file != "-":
        return file
    return None if standard_input is None else standard_input.file


# --- streams ----------------------------------------------------------------------------------------------------------


def open_input(file: str) -> BinaryIO:
    """The decompressed bytes of a file, of an archive's member, or of standard input for ``-``.

    gz, zst, bz2 and xz are told by content.

    Raises:
        UnreadableInput: the file can't be opened.
    """
    if file == "-" and standard_input is None:
        return _unpacked(io.BufferedReader(cast("io.RawIOBase", sys.stdin.buffer)))
    file = path_of(file) or file
    if (parts := _split(file)) is not None:
        try:
            return _unpacked(_archive_of(parts[0]).open(parts[1]))
        except (OSError, RuntimeError, NotImplementedError, ValueError, zipfile.BadZipFile) as error:
            raise UnreadableInput(f"{file}: {str(error).rstrip('.')}") from error
    try:
        return _unpacked(Path(file).open("rb"))
    except OSError as error:
        raise UnreadableInput(f"{file}: {error.strerror or error}") from error


def _unpacked(raw: BinaryIO) -> BinaryIO:
    magic = cast("io.BufferedReader", raw).peek(8)[:8]
    kind = next((kind for start, kind in _MAGIC if magic.startswith(start)), None)
    if kind == "gz":
        return io.BufferedReader(Framed(raw, lambda: zlib.decompressobj(wbits=GZIP_BITS)), 1 << 17)
    if kind == "bz2":
        return cast("BinaryIO", bz2.BZ2File(raw))
    if kind == "xz":
        return cast("BinaryIO", lzma.LZMAFile(raw))
    if kind == "zst":
        import zstandard  # noqa: PLC0415 - only for the inputs that need it

        return io.BufferedReader(Framed(raw, zstandard.ZstdDecompressor().decompressobj), 1 << 17)
    return raw


def changed(file: str) -> float:
    """When a file, or an archive's member, was changed last: epoch seconds; now for standard input."""
    try:
        if (path := path_of(file)) is None:
            return time.time()
        if (parts := _split(path)) is not None:
            return next(m.changed for m in _archive_of(parts[0]).members if m.name == parts[1])
        return Path(path).stat().st_mtime
    except OSError:
        return time.time()


def is_compressed(file: str) -> bool:
    """Whether a file's first bytes are those of a known compression, or it is an archive's member."""
    if _split(file) is not None:
        return True
    with Path(file).open("rb") as raw:
        return raw.read(8).startswith(tuple(start for start, _ in _MAGIC))


class Framed(io.RawIOBase):
    """The frames of a .zst or the members of a .gz, one after the other, zeros between them passed over.

    Unlike the libraries' own readers it gives all that stands before a place that can't be unpacked, and notices when
    the last frame is cut off.

    Args:
        raw: the compressed bytes.
        new: makes the decompressor of a frame.
    """

    PIECE_BYTES = 16_384
    """Small, since a piece may unpack to thousands of times its size."""

    def __init__(self, raw: BinaryIO, new: Callable[[], Any]) -> None:
        self._raw, self._new = raw, new
        self._frame: Any = None
        self._rest = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Close what is read, too."""
        self._raw.close()
        super().close()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with what is next; 0 at the end.

        Raises:
            EOFError: the last frame is cut off. What is broken raises as its library does.
        """
        while not self._ready:
            piece, self._rest = self._rest or self._raw.read(self.PIECE_BYTES), b""
            if not piece:
                if self._frame is not None:
                    raise EOFError("the compressed stream is cut off")
                return 0
            if self._frame is None and not (piece := piece.lstrip(b"\0")):
                continue
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


def with_first_lines(stream: BinaryIO) -> tuple[bytes, BinaryIO]:
    """The first bytes of a stream, to sniff at, and the whole stream; at least a whole line, if it is not too long."""
    head, stream = with_head(stream, HEAD_BYTES)
    if len(head) == HEAD_BYTES and b"\n" not in head:
        return with_head(stream, LONGEST_HEAD)
    return head, stream


def with_head(stream: BinaryIO, size: int) -> tuple[bytes, BinaryIO]:
    """The first bytes of a stream, and the whole stream."""
    head = b""
    while len(head) < size and (more := stream.read(size - len(head))):
        head += more
    return head, io.BufferedReader(Peeked(head, stream), 1 << 20)
