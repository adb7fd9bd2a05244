"""Which input a file is, whatever it is called now, and from where to read on.

A log is told by its first line and by what stands in front of the place where reading stopped: renamed, copied or
compressed it is the same log, truncated or begun anew it is another. A capture is told by its whole content.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from oauthtrace.privacy import Redactor
from oauthtrace.sources import Reading, Row, archives, opening
from oauthtrace.sources.choosing import AS_IT_COMES, Choice, How, choose
from oauthtrace.sources.intake import CHUNK_BYTES, Place, Progress, origin_of, read_rows, skip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHECK_BYTES = 1024

STATE: dict[str, str] = {
    "input": "VARCHAR PRIMARY KEY",
    "file": "VARCHAR",
    "format": "VARCHAR",
    "device": "BIGINT",
    "inode": "BIGINT",
    "size": "BIGINT",
    "changed_ns": "BIGINT",
    "origin": "VARCHAR",
    "check_hash": "VARCHAR",
    "position": "BIGINT",
    "lines": "BIGINT",
    "complete": "BOOLEAN",
    "open_records": "BIGINT",
    "open_rejected": "BIGINT",
    "records": "BIGINT",
    "rejected": "BIGINT",
    "notes": "VARCHAR[]",
    "hosts": "VARCHAR",
    "read_at": "TIMESTAMP",
}
"""What is kept of each input, and its type in the database.

``input`` names the stream; ``file`` to ``changed_ns`` the file that it was read from last; ``origin`` is the hash of a
log's first line, ``check_hash`` the keyed hash of the bytes in front of ``position`` (of a capture: of everything);
``complete`` is false when a half-written line was left; ``open_…`` count what the next run reads again.
"""
State = dict[str, Any]


class Step(NamedTuple):
    """Something new of an input.

    Attributes:
        reading: the input; its tally is that of all runs once ``state`` is given.
        input: key of its stream.
        rows: exchanges.
        reopened: rows and rejects of this stream behind this line are void, they are read again.
        renamed: the stream's file has another name than before.
        state: what to keep of the input; comes last.
    """

    reading: Reading
    input: str
    rows: list[Row] = []  # noqa: RUF012 - never changed
    reopened: int | None = None
    renamed: bool = False
    state: State | None = None


class Resumer:
    """Reads inputs from where they were left.

    Args:
        key: fingerprint key.
        known: state of each stream by its key; goes on as inputs are read.
        how: what the user says of the inputs.
        progress: called as bytes are read.
    """

    def __init__(
        self, key: bytes, known: dict[str, State], how: How = AS_IT_COMES, progress: Progress | None = None
    ) -> None:
        self._key, self._redactor, self._known = key, Redactor(key), known
        self._how, self._progress = how, progress

    def read(self, files: Iterable[str]) -> Iterator[Step]:
        """All that is new in some files, and in those that these were rotated to since."""
        for file in self._with_rotated(list(files)):
            if (unchanged := self._unchanged(file)) is not None:
                yield from self._same(file, unchanged)
            elif (
                opening.path_of(file) is not None
                and (choice := self._choice_of(file)) is not None
                and not choice.by_line
            ):
                yield from self._capture(file)
            else:
                yield from self._log(file)

    def _choice_of(self, file: str) -> Choice | None:
        return choose(_head(file), Reading(file, self._redactor), self._how)

    # --- nothing new ----------------------------------------------------------------------------------------------

    def _with_rotated(self, files: list[str]) -> Iterator[str]:
        """The files; in front of one that was rotated, what it is called now, so that its last lines are not lost."""
        at_hand = {(s.st_dev, s.st_ino): file for file in files if (s := _stat(file))}
        for file in files:
            for state in [s for s in self._known.values() if s["file"] == file and s["origin"]]:
                place = (state["device"], state["inode"])
                if place not in at_hand and (moved := _find_inode(Path(file).parent, *place)):
                    at_hand[place] = moved
                    yield moved
            yield file

    def _unchanged(self, file: str) -> State | None:
        now = _facts(file)
        return next(
            (
                s
                for s in self._known.values()
                if now["inode"]
                and s["complete"]
                and s["format"] != "unknown"
                and all(s[n] == v for n, v in now.items())
            ),
            None,
        )

    def _same(self, file: str, state: State) -> Iterator[Step]:
        reading = self._reading_of(state)
        if file == state["file"]:
            yield Step(reading, state["input"])
        elif _is_there(state):
            reading.file = file
            reading.notes = [f"the same content as {state['file']}, counted there"]
            yield Step(reading, state["input"])
        else:
            reading.file = file
            state = {**state, "file": file}
            self._known[state["input"]] = state
            yield Step(reading, state["input"], renamed=True, state=state)

    def _reading_of(self, state: State) -> Reading:
        reading = Reading(state["file"], self._redactor, state["format"], state["records"], 0, state["rejected"])
        reading.notes, reading.hosts = list(state["notes"] or ()), Counter(json.loads(state["hosts"] or "{}"))
        reading.origin = state["origin"] or ""
        return reading

    # --- captures -------------------------------------------------------------------------------------------------

    def _capture(self, file: str) -> Iterator[Step]:
        """A capture is read whole unless its content is known; exchanges that are known already are told by their ids."""
        content = self._hash_of_file(file)
        same = next((s for s in self._known.values() if s["check_hash"] == content and not s["origin"]), None)
        if same is not None:
            yield from self._same(file, same)
            return
        earlier = next((s for s in self._known.values() if s["file"] == file and not s["origin"]), None)
        key = earlier["input"] if earlier else content[:16]
        reading = Reading(file, self._redactor)
        facts = _facts(file)
        for rows in read_rows(file, reading, self._how, self._progress):
            yield Step(reading, key, rows)
        state = self._state(reading, key, Place(), facts, content)
        yield Step(reading, key, reopened=-1 if earlier else None, state=state)

    def _hash_of_file(self, file: str) -> str:
        digest = hmac.new(self._key, digestmod="sha256")
        try:
            with opening.open_input(file) as raw:
                while data := raw.read(CHUNK_BYTES):
                    digest.update(data)
        except Exception as error:  # noqa: BLE001 - decompressors raise what they like; reading says what is wrong
            digest.update(repr(error).encode())
        return digest.hexdigest()[:32]

    # --- logs -----------------------------------------------------------------------------------------------------

    def _log(self, file: str) -> Iterator[Step]:
        """A log, standard input, or what can't be read."""
        facts = _facts(file)
        known, place = self._matching(file, facts)
        if known is None:
            reading, key, reopened, moved = Reading(file, self._redactor), "", None, False
        else:
            # a copy of a log that is still there goes by that log's name, unless it turns out to hold more
            moved = known["file"] != file
            reading = Reading(known["file"] if moved and _is_there(known) else file, self._redactor)
            key, reopened = known["input"], place.lines
        begun_anew = known is None and any(s["file"] == file and s["origin"] for s in self._known.values())
        for rows in read_rows(file, reading, self._how, self._progress, place):
            key = key or self._new_key(reading)
            yield Step(reading, key, rows, reopened)
            reopened = None
        if begun_anew:
            reading.notes.append("truncated or begun anew since it was read last: read from its beginning")
        copied = known is not None and reading.file != file
        if known is not None:
            if place.resumed:
                self._add_up(reading, known)
            if copied and place.position == known["position"]:
                reading.notes = [f"the same content as {known['file']}, counted there"]
        reading.file = file
        if (copied and known and place.position == known["position"]) or not (reading.records or reading.rejected):
            yield Step(reading, key)
            return
        tail = (
            place.tail
            if len(place.tail) >= min(place.position, CHECK_BYTES)
            else _bytes_before(file, place.position, CHECK_BYTES)
        )
        state = self._state(reading, key, place, facts, self._hash(tail[-CHECK_BYTES:]))
        yield Step(reading, key, renamed=moved, state=state)

    def _matching(self, file: str, facts: State) -> tuple[State | None, Place]:
        """The stream that a log continues, and where; its beginning when it has to be read again as a whole.

        That is so when only a part of its first line, or too little to tell its format, was there before.
        """
        origin = origin_of(_head(file), self._redactor)
        states = [s for s in self._known.values() if origin and s["origin"] == origin]
        for state in sorted(states, key=lambda s: -s["position"]):
            tail = _bytes_before(file, state["position"], CHECK_BYTES)
            if self._hash(tail) == state["check_hash"]:
                choice = self._choice_of(file)
                same_format = choice is not None and state["format"] == choice.name
                return state, Place(state["position"], state["lines"], tail, resumed=True) if same_format else Place()
        place = ("device", "inode")
        return next(
            (
                s
                for s in self._known.values()
                if s["origin"] and not s["position"] and all(s[n] == facts[n] for n in place)
            ),
            None,
        ), Place()

    def _new_key(self, reading: Reading) -> str:
        base = (
            reading.origin
            or self._hash(f"{reading.file} {reading.format} {time.time_ns() if reading.file == '-' else ''}".encode())[
                :16
            ]
        )
        if reading.format == "unknown":
            return base
        return next(
            key for n in range(1, len(self._known) + 2) if (key := base if n == 1 else f"{base}.{n}") not in self._known
        )

    def _add_up(self, reading: Reading, known: State) -> None:
        """The tally of this run on top of those before; what was read again counts once."""
        reading.records += known["records"] - known["open_records"]
        reading.rejected += known["rejected"] - known["open_rejected"]
        reading.hosts.update(json.loads(known["hosts"] or "{}"))
        reading.notes = list(dict.fromkeys([*(known["notes"] or ()), *reading.notes]))

    def _state(self, reading: Reading, key: str, place: Place, facts: State, check: str) -> State:
        state = {
            "input": key,
            "file": reading.file,
            "format": reading.format,
            **facts,
            "origin": reading.origin,
            "check_hash": check,
            "position": place.position,
            "lines": place.lines,
            "complete": place.complete,
            "open_records": place.open_records,
            "open_rejected": sum(r.position is not None and r.position > place.lines for r in reading.rejects)
            if reading.origin
            else 0,
            "records": reading.records,
            "rejected": reading.rejected,
            "notes": reading.notes,
            "hosts": json.dumps(dict(reading.hosts.most_common(50))),
            "read_at": datetime.now(UTC).replace(tzinfo=None),
        }
        self._known[key] = state
        return state

    def _hash(self, data: bytes) -> str:
        return hmac.digest(self._key, data, "sha256")[:16].hex()


# --- files ------------------------------------------------------------------------------------------------------------


def _stat(file: str) -> os.stat_result | None:
    try:
        path = opening.path_of(file)
        return None if path is None else opening.file_stat(path)
    except OSError:
        return None


def _facts(file: str) -> State:
    """Device, inode, size and time of change of a file; zeros for standard input."""
    stat = _stat(file)
    if stat is None:
        return {"device": 0, "inode": 0, "size": 0, "changed_ns": 0}
    inode = stat.st_ino
    if opening.path_of(file) == file and not Path(file).exists():  # a member of an archive has none of its own
        inode = int.from_bytes(
            hashlib.blake2b(f"{inode} {file.partition(archives.MARK)[2]}".encode(), digest_size=8).digest()
        )
    # devices and inodes may use all 64 bits, the database's integers have a sign
    return {
        "device": stat.st_dev & (2**63 - 1),
        "inode": inode & (2**63 - 1),
        "size": stat.st_size,
        "changed_ns": stat.st_mtime_ns,
    }


def _is_there(state: State) -> bool:
    """Whether the file that a stream was read from last still has its name."""
    now = _facts(state["file"])
    return bool(now["inode"]) and (now["device"], now["inode"]) == (state["device"], state["inode"])


def _find_inode(folder: Path, device: int, inode: int) -> str | None:
    """The file of a folder that has an inode."""
    try:
        found = next(
            (e.path for e in os.scandir(folder) if e.inode() == inode and e.is_file() and e.stat().st_dev == device),
            None,
        )
    except OSError:
        return None
    return str(Path(found)) if found else None


def _head(file: str) -> bytes:
    """The first bytes of a file; none of standard input, which can be read only once."""
    if opening.path_of(file) is None:
        return b""
    try:
        with opening.open_input(file) as raw:
            return opening.with_first_lines(raw)[0]
    except Exception:  # noqa: BLE001 - decompressors raise what they like; reading the file says what is wrong
        return b""


def _bytes_before(file: str, position: int, size: int) -> bytes:
    """The last bytes in front of a position of the decompressed file; fewer when the file is shorter."""
    begin = max(position - size, 0)
    try:
        with opening.open_input(file) as raw:
            if raw.seekable():
                raw.seek(begin)
            else:
                skip(raw, begin)
            return raw.read(position - begin)
    except Exception:  # noqa: BLE001 - as above
        return b""
