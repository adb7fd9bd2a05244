"""The process beside the proxy: moves the journal into the database, and tells why flows failed.

It ends when its standard input does, after everything is in the database: also when the proxy was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from oauthtrace.analysis import Analysis, analyze_frame
from oauthtrace.capture import intake, journal, live
from oauthtrace.capture.writer import Writer
from oauthtrace.cli import summary, terminal
from oauthtrace.privacy import Redactor
from oauthtrace.sources import Reading, Row
from oauthtrace.sources.captures.mitmproxy_flow import NAME
from oauthtrace.store import Store, StoreError

POLL_S = 0.05
BEFORE = timedelta(days=1)
NICENESS = 5
"""The traffic comes first: where there are too few processors, explanations wait for it, and not it for them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the proxy's side asks for.

    Attributes:
        database: path of the database; empty when nothing shall be kept.
        journal: path of the journal that is being written.
        print: whether findings go to standard output.
        messages: descriptor that findings are written to, one JSON object a line.
    """

    database: str
    journal: str
    print: bool
    messages: int


class Companion:
    """One capture's companion, from its first exchange to its summary."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._messages = os.fdopen(settings.messages, "w", encoding="utf-8")
        self._follower = journal.Follower(Path(settings.journal))
        self._store = Store(settings.database) if settings.database else None
        self._printer = live.Printer() if settings.print else None
        header = intake.header_of(Path(settings.journal)) or {}
        self._label, self._session = str(header.get("label", "")), str(header.get("session", ""))
        self._began = datetime.fromisoformat(header.get("began") or datetime.now(UTC).replace(tzinfo=None).isoformat())
        self._reading = Reading(self._label, Redactor(bytes(16)), NAME)
        self._live = live.Live(self._label)
        self._writer: Writer | None = None
        self._lock = threading.Lock()

    def run(self) -> int:
        """Work until the proxy ends; 0 when everything is in the database."""
        self._live.warm_up()
        self._live = live.Live(self._label, self._what_was_before())
        if self._store is not None:
            self._writer = Writer(
                self._store, Path(self._settings.journal), self._session, lambda text: self._send(warning=text)
            )
            self._writer.start(has_rows=False)
        commands = sys.stdin.buffer
        os.set_blocking(commands.fileno(), False)
        while True:
            ready, _, _ = select.select([commands], [], [], POLL_S)
            if ready:
                data = commands.read()
                if not data:
                    break
                self._obey(data)
            self._follow()
            if self._live.is_due():
                self._look()
        return self._finish()

    def _finish(self) -> int:
        self._follow()
        self._look()
        finished = self._writer.finish() if self._writer else True
        self._send(summary=self._summary())
        with contextlib.suppress(OSError):
            self._messages.close()
        return 0 if finished else 1

    def _what_was_before(self) -> Any:
        if self._store is None or not self._store.path.exists():
            return None
        try:
            return self._store.exchanges(since=self._began - BEFORE)
        except StoreError:
            return None  # the writer says what is wrong

    def _follow(self) -> None:
        rows: list[Row] = []
        for record in self._follower.read():
            if isinstance(record.get("row"), dict):
                rows.append(self._reading.place(record["row"], int(record["n"])))
                self._reading.records = max(self._reading.records, int(record["n"]) + 1)
            elif "seen" in record:
                self._reading.records = max(self._reading.records, int(record["seen"]))
                self._reading.hosts.clear()
                self._reading.hosts.update(record.get("hosts") or {})
        if rows and self._writer:
            self._writer.start(has_rows=True)
        self._live.add(rows)

    def _look(self) -> None:
        try:
            self._tell(self._live.look())
        except Exception as error:  # noqa: BLE001 - whatever hostile traffic does to the analysis, it is kept all the same
            self._send(warning=f"failures could not be told ({type(error).__name__}); the exchanges are kept")

    def _tell(self, findings: list[live.Finding]) -> None:
        for found in findings:
            self._send(n=found.number, cause=found.cause, line=found.line, text=found.text())
        if self._printer and findings:
            try:
                self._printer.show(findings)
            except (OSError, SystemExit):  # the reader of standard output has gone; the capture has not
                self._printer = None

    def _send(self, **message: Any) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._messages.write(json.dumps(message) + "\n")
            self._messages.flush()

    def _obey(self, data: bytes) -> None:
        for line in data.splitlines():
            with contextlib.suppress(ValueError):
                asked = json.loads(line)
                if isinstance(asked.get("report"), str):
                    threading.Thread(target=self._report, args=(Path(asked["report"]),), daemon=True).start()

    def _report(self, file: Path) -> None:
        try:
            self._whole().write_report(file)
        except (OSError, StoreError) as error:
            self._send(warning=f"no report: {error}")
        else:
            self._send(done=f"report written: {file}")

    def _whole(self) -> Analysis:
        """All that the database holds, or what is in memory without one."""
        if self._store is None:
            return self._live.analysis() or analyze_frame(self._live.frame)
        if self._writer is not None:
            self._writer.move_now()
        return analyze_frame(self._store.exchanges(), self._store.inputs())

    def _summary(self) -> str:
        """The summary of this capture as it is shown on a terminal."""
        try:
            found = self._live.analysis() or self._from_database()
        except StoreError:
            found = analyze_frame(self._live.frame)
        except Exception as error:  # noqa: BLE001 - as in _look
            return f"no summary ({type(error).__name__}); the exchanges are kept\n"
        self._reading.exchanges = self._live.count
        found.inputs.append(self._reading)
        database = self._settings.database
        with terminal.console().capture() as captured:
            terminal.show("")
            summary.show(found, report=f"oauthtrace report --db {database} -o FILE.html" if database else None)
        return captured.get()

    def _from_database(self) -> Analysis:
        if self._store is None:
            return analyze_frame(self._live.frame)
        return analyze_frame(self._store.exchanges(since=self._began - BEFORE), since=self._began)


def main(arguments: list[str]) -> int:
    """Run the companion of one capture.

    Args:
        arguments: one JSON object, the members of :class:`Settings`.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.nice(NICENESS)
    return Companion(Settings(**json.loads(arguments[0]))).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
