"""From a journal to what the database takes in: rows of the schema, and how far the journal has been read.

What is kept of a capture is what is kept of any input (:data:`oauthtrace.sources.resume.STATE`): ``input`` is the
session, ``check_hash`` the number of the journal file that was read last, ``position`` how far, in bytes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oauthtrace.capture import journal
from oauthtrace.privacy import Redactor
from oauthtrace.sources import Reading, Row
from oauthtrace.sources.captures.mitmproxy_flow import NAME
from oauthtrace.sources.resume import State, Step


class JournalError(Exception):
    """The fingerprints of a journal were made with another key than the database's, or it is no journal."""


def header_of(file: Path) -> journal.Record | None:
    """The first record of a journal; None when there is none yet.

    Raises:
        JournalError: the file is something else, or of a newer version.
        OSError: it can't be read.
    """
    records, _, damaged = journal.first(file)
    if not records:
        if damaged:
            raise JournalError("not a journal")
        return None
    header = records[0]
    if header.get("journal") != journal.VERSION:
        raise JournalError("not a journal of this version of oauthtrace")
    return header


class Session:
    """One capture as it is taken in: goes on with each part of its journal.

    Args:
        header: the journal's first record.
        redactor: of the database.
        known: what the database keeps of this capture already.
    """

    def __init__(self, header: Mapping[str, Any], redactor: Redactor, known: State | None) -> None:
        self._header, self._redactor = header, redactor
        known = known or {}
        self.segment = int(known.get("check_hash") or 0)
        self.position = int(known.get("position") or 0)
        self._records, self._rejected = int(known.get("records") or 0), int(known.get("rejected") or 0)
        self._hosts = Counter[str](json.loads(known.get("hosts") or "{}"))

    def step(self, file: Path, segment: int) -> Step | None:
        """The next part of one of the session's files; None when all of it has been taken in.

        Raises:
            OSError: the file can't be read.
        """
        if segment < self.segment:
            return None
        if segment > self.segment:
            self.segment, self.position = segment, 0
        part = journal.read(file, self.position)
        if not part.size:
            return None
        reading = Reading(self._header["label"], self._redactor, NAME)
        rows = [row for record in part.records if (row := self._take(record, reading)) is not None]
        if part.damaged:
            reading.reject(None, f"{part.damaged} damaged lines of the journal")
        self.position += part.size
        self._rejected += reading.rejected
        return Step(reading, self._header["session"], rows, state=self._state())

    def _take(self, record: journal.Record, reading: Reading) -> Row | None:
        if isinstance(record.get("row"), dict):
            number = int(record["n"])
            self._records = max(self._records, number + 1)
            return reading.place(record["row"], number)
        if "seen" in record:
            self._records = max(self._records, int(record["seen"]))
            self._hosts = Counter(record.get("hosts") or {})
        elif "reject" in record:
            reading.reject(record.get("n"), str(record["reject"]))
        return None

    def _state(self) -> State:
        return {
            "input": self._header["session"],
            "file": self._header["label"],
            "format": NAME,
            **dict.fromkeys(("device", "inode", "size", "changed_ns", "lines", "open_records", "open_rejected"), 0),
            "origin": "",
            "check_hash": str(self.segment),
            "position": self.position,
            "complete": True,
            "records": self._records,
            "rejected": self._rejected,
            "notes": [],
            "hosts": json.dumps(dict(self._hosts.most_common(50))),
            "read_at": datetime.now(UTC).replace(tzinfo=None),
        }
