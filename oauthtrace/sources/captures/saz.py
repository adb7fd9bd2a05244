"""Session archives of Fiddler (``.saz``): a zip of raw HTTP messages, ``raw/N_c.txt``, ``raw/N_s.txt``, ``raw/N_m.xml``.

Request lines are absolute; tunnels (CONNECT) are sessions too. An archive with a password can't be read. Source:
https://docs.telerik.com/fiddler/knowledge-base/saz-format.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from oauthtrace.oauth.observe import CAPTURE, RawExchange
from oauthtrace.sources import Reading, Row
from oauthtrace.sources.captures.exchanges import exchange_of, rows_of

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "saz"
TITLE = "session archive of Fiddler"
SEES = CAPTURE
MOST_MEMORY = 1 << 24
"""An archive longer than this is kept in a temporary file while it is read (bytes)."""
LONGEST_MEMBER = 8_000_000
_REQUEST = re.compile(r"raw/(\d+)_c\.txt", re.IGNORECASE)
_SESSION = re.compile(rb"raw[/\\]\d+_[csm]\.(?:txt|xml)")
_FIDDLER = re.compile(r"\[Fiddler\]\s*([^<\r\n]{4,300})")


def sniff(head: bytes) -> float:
    return 1.0 if head.startswith(b"PK\x03\x04") and _SESSION.search(head) else 0.0


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    with tempfile.SpooledTemporaryFile(MOST_MEMORY) as kept:
        shutil.copyfileobj(stream, kept)
        try:
            archive = zipfile.ZipFile(kept)
        except zipfile.BadZipFile as error:
            reading.reject(None, f"not a whole zip archive: {error}")
            return
        yield from rows_of(_exchanges(archive, reading), reading)


def _exchanges(archive: zipfile.ZipFile, reading: Reading) -> Iterator[tuple[int, RawExchange]]:
    names = {name.replace("\\", "/").lower(): name for name in archive.namelist()}
    numbered = sorted((int(m[1]), key[: -len("_c.txt")]) for key in names if (m := _REQUEST.fullmatch(key)))
    if not numbered:
        reading.reject(None, "no sessions (raw/N_c.txt) in the archive")
    for position, (_, base) in enumerate(numbered):
        reading.records += 1
        try:
            request, answer, told = (
                _member(archive, names.get(f"{base}_{end}")) for end in ("c.txt", "s.txt", "m.xml")
            )
        except RuntimeError:
            reading.reject(position, "the archive has a password: save it without one")
            continue
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            reading.reject(position, f"a session that can't be unpacked: {error}")
            continue
        yield position, _exchange(request, answer, told.decode("utf-8", "replace"))


def _member(archive: zipfile.ZipFile, name: str | None) -> bytes:
    """The bytes of a member, at most so many; empty when there is none."""
    if name is None:
        return b""
    with archive.open(name) as member:
        return member.read(LONGEST_MEMBER)


def _exchange(request: bytes, answer: bytes, told: str) -> RawExchange:
    began, ended = (_timer(told, name) for name in ("ClientBeginRequest", "ServerDoneResponse"))
    raw = exchange_of(request, answer, _url(request), time=began)
    raw.duration_ms = (ended - began) * 1000 if began and ended and ended >= began else None
    if raw.status in (502, 504) and (note := _FIDDLER.search(raw.answer_body or "")):
        # Fiddler's own page: no server answered
        raw.status, raw.answer_body, raw.transport_error, raw.answer_headers = None, None, note[1].strip(), {}
    return raw


def _url(request: bytes) -> str:
    """The URL of a request whose start line is not absolute, by its Host header."""
    start = request.split(b"\n", 1)[0].decode("utf-8", "replace").split(" ")
    host = re.search(rb"(?im)^host:\s*(\S+)", request[:20_000])
    target = start[1] if len(start) > 1 else "/"
    return f"https://{host[1].decode('utf-8', 'replace')}{target}" if host and target.startswith("/") else target


def _timer(told: str, name: str) -> float | None:
    """Epoch seconds of a session's timer; None when it never ran (Fiddler writes the year 1)."""
    match = re.search(rf'\b{name}="([^"]+)"', told)
    try:
        moment = datetime.fromisoformat(match[1]) if match else None
    except ValueError:
        return None
    return moment.timestamp() if moment is not None and moment.year > 1970 else None
